import KubeAPI
import Synchronization

/// Which node has which ranges for its pods: no two may overlap, whoever gave them.
final class PodRanges: Sendable {
    private let byNode = Mutex<[String: [CIDR]]>([:])

    static func ranges(of node: JSON) -> [CIDR] { node["spec"]["podCIDRs"].items.compactMap { CIDR($0.stringValue) } }

    /// Takes what a stored node has: at start.
    func adopt(_ node: JSON) {
        let ranges = Self.ranges(of: node)
        if !ranges.isEmpty { byNode.withLock { $0[node.name] = ranges } }
    }

    func release(_ name: String) { byNode.withLock { _ = $0.removeValue(forKey: name) } }

    /// Takes the ranges of a node that had none; the name of the node that is in the way, if there is one.
    func take(_ name: String, _ ranges: [CIDR]) -> String? {
        byNode.withLock { byNode in
            for (other, taken) in byNode where other != name {
                if taken.contains(where: { range in ranges.contains { $0.overlaps(range) } }) { return other }
            }
            byNode[name] = ranges
            return nil
        }
    }
}
