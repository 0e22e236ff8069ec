import KubeAPI
import Logging
import Synchronization

/// Gives each node a part of the cluster range for its pods (spec.podCIDR). Ranges that nodes have already are kept.
final class NodeIPAM: Controller {
    private let client: any APIClient
    private let informers: SharedInformers
    private let range: CIDR
    private let maskSize: Int
    private let recorder: EventRecorder
    private let log: Logger
    private let queue = WorkQueue<String>()
    /// Who has what, as far as is known: from the nodes, and from what was just given.
    private let taken = Mutex<[String: [CIDR]]>([:])

    init(
        client: any APIClient, informers: SharedInformers, range: CIDR, maskSize: Int, recorder: EventRecorder,
        log: Logger
    ) {
        self.client = client
        self.informers = informers
        self.range = range
        // A cluster range that is smaller than a node's part is one part.
        self.maskSize = max(maskSize, range.prefixLength)
        self.recorder = recorder
        self.log = log
    }

    func run() async {
        informers.nodes.onEvent { [self] event in
            let node = Node(event.object)
            if case .deleted = event {
                taken.withLock { _ = $0.removeValue(forKey: node.name) }
                // Whoever found none may find this one.
                for other in informers.nodes.all() where Node(other).podCIDR == nil { queue.add(other.name) }
            } else if node.podCIDR == nil {
                queue.add(node.name)
            } else {
                taken.withLock { $0[node.name] = node.podCIDRs.compactMap { CIDR($0) } }
            }
        }
        await informers.nodes.waitForSync()
        // One worker: no range is given twice.
        await queue.run { [self] name in try await assign(name) }
    }

    private func assign(_ name: String) async throws {
        guard let object = informers.nodes.get(name), Node(object).podCIDR == nil, !object.isDeleting else { return }
        let all = taken.withLock { $0 }.filter { $0.key != name }.flatMap(\.value)
        guard let free = firstFree(all) else {
            recorder.record(
                object: object, type: .warning, reason: "CIDRNotAvailable",
                message: "Node \(name) status is now: CIDRNotAvailable")
            throw StatusError.internalError("the cluster range \(range) has no /\(maskSize) left for node \(name)")
        }
        let text = JSON.string(free.description)
        do {
            try await client.patch(
                .nodes, name: name,
                ["metadata": ["uid": .string(object.uid)], "spec": ["podCIDR": text, "podCIDRs": [text]]])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
        taken.withLock { $0[name] = [free] }
        log.info("gave the node its pod range", metadata: ["node": "\(name)", "range": "\(free)"])
    }

    private func firstFree(_ taken: [CIDR]) -> CIDR? {
        // Most ranges are parts of the size that we give: those are looked up, all others compared.
        let parts = Set(taken.filter { $0.prefixLength == maskSize }.map(\.network))
        let others = taken.filter { $0.prefixLength != maskSize }
        var number = 0
        while let candidate = range.subnet(number, prefixLength: maskSize) {
            number += 1
            if !parts.contains(candidate.network), !others.contains(where: { $0.overlaps(candidate) }) {
                return candidate
            }
        }
        return nil
    }
}
