import KubeAPI
import Logging

/// Gives each node a part of the cluster range for its pods (spec.podCIDR). Ranges that nodes have already are kept.
final class NodeIPAM: Controller {
    private let client: any APIClient
    private let informers: SharedInformers
    private let range: CIDR
    private let maskSize: Int
    private let recorder: EventRecorder
    private let log: Logger
    private let queue = WorkQueue<String>()

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
        informers.nodes.onEvent { [queue] event in
            if Node(event.object).podCIDR == nil { queue.add(event.object.name) }
        }
        await informers.nodes.waitForSync()
        // One worker: the next free range is found by looking at all nodes.
        await queue.run { [self] name in try await assign(name) }
    }

    private func assign(_ name: String) async throws {
        // The informer may lag behind a range that was just given: the truth is asked.
        let nodes = try await client.list(.nodes)["items"].items.map(Node.init)
        guard let node = nodes.first(where: { $0.name == name }), node.podCIDR == nil, !node.isDeleting else { return }
        let taken = nodes.compactMap { $0.podCIDR.flatMap { CIDR($0) } }
        var number = 0
        while let candidate = range.subnet(number, prefixLength: maskSize) {
            number += 1
            guard !taken.contains(where: { $0.overlaps(candidate) }) else { continue }
            let text = JSON.string(candidate.description)
            try await client.patch(.nodes, name: name, ["spec": ["podCIDR": text, "podCIDRs": [text]]])
            log.info("gave the node its pod range", metadata: ["node": "\(name)", "range": "\(candidate)"])
            return
        }
        recorder.record(
            object: node.json, type: .warning, reason: "CIDRNotAvailable",
            message: "Node \(name) status is now: CIDRNotAvailable")
        throw StatusError.internalError("the cluster range \(range) has no /\(maskSize) left for node \(name)")
    }
}
