import KubeAPI
import Synchronization

/// Objects of an informer by something that they have in common: their namespace, their node, their service. Controllers
/// ask for such groups again and again.
///
/// An index is made before other handlers are added, so that they find in it what they are told of.
final class ObjectIndex: Sendable {
    private let groups = Mutex<[String: [String: JSON]]>([:])
    private let group: @Sendable (JSON) -> String?

    /// `group` names the group of an object; nil for one that is left out.
    init(_ informer: Informer, _ group: @escaping @Sendable (JSON) -> String?) {
        self.group = group
        informer.onEvent { [weak self] in self?.apply($0) }
    }

    private func apply(_ event: Informer.Event) {
        var former: String?
        let key = event.object.objectKey
        let current: String?
        switch event {
        case .added(let object): current = group(object)
        case .updated(let old, let new):
            former = group(old)
            current = group(new)
        case .deleted(let object):
            former = group(object)
            current = nil
        }
        groups.withLock { groups in
            if let former, former != current {
                groups[former]?[key] = nil
                if groups[former]?.isEmpty == true { groups[former] = nil }
            }
            if let current { groups[current, default: [:]][key] = event.object }
        }
    }

    /// The objects of that group, in no order.
    func callAsFunction(_ group: String) -> [JSON] { groups.withLock { $0[group].map { Array($0.values) } ?? [] } }
}
