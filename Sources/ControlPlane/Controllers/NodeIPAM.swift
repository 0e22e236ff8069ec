import KubeAPI
import Logging
import Synchronization

/// Gives each node a part of each cluster range for its pods (spec.podCIDRs). Ranges that nodes have already are kept.
final class NodeIPAM: Controller {
    private let client: any APIClient
    private let informers: SharedInformers
    private struct Source {
        let range: CIDR
        let maskSize: Int
    }
    /// One for each family, the cluster's first one first.
    private let sources: [Source]
    private let recorder: EventRecorder
    private let log: Logger
    private let queue = WorkQueue<String>()
    /// Who has what, as far as is known: from the nodes, and from what was just given.
    private let taken = Mutex<[String: [CIDR]]>([:])

    init(
        client: any APIClient, informers: SharedInformers, range: CIDR, maskSize: Int,
        second: (range: CIDR, maskSize: Int)? = nil, recorder: EventRecorder, log: Logger
    ) {
        self.client = client
        self.informers = informers
        // A cluster range that is smaller than a node's part is one part.
        sources = ([(range, maskSize)] + [second].compactMap(\.self)).map {
            Source(range: $0.0, maskSize: max($0.1, $0.0.prefixLength))
        }
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
        let free = sources.compactMap { Self.firstFree($0, all) }
        guard free.count == sources.count else {
            recorder.record(
                object: object, type: .warning, reason: "CIDRNotAvailable",
                message: "Node \(name) status is now: CIDRNotAvailable")
            let full = sources.first { source in !free.contains { $0.family == source.range.family } }
            throw StatusError.internalError(
                "the cluster range \(full?.range.description ?? "") has no /\(full?.maskSize ?? 0) left for node \(name)"
            )
        }
        let texts = free.map(\.description)
        do {
            try await client.patch(
                .nodes, name: name,
                [
                    "metadata": ["uid": .string(object.uid)],
                    "spec": ["podCIDR": .string(texts[0]), "podCIDRs": JSON(texts)],
                ])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
        taken.withLock { $0[name] = free }
        log.info(
            "gave the node its pod range", metadata: ["node": "\(name)", "ranges": "\(texts.joined(separator: ","))"])
    }

    private static func firstFree(_ source: Source, _ taken: [CIDR]) -> CIDR? {
        let (range, maskSize) = (source.range, source.maskSize)
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
