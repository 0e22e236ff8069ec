import KubeAPI
import Kernel
import Logging
import Synchronization

/// Keeps the node's object in the API: makes it, takes its pod range from it, and tells what has changed.
final class NodeKeeper: Sendable {
    /// What has no event is read so often.
    static let samplePeriod: Duration = .seconds(10)
    /// A status without news is told so often (Kubernetes' nodeStatusReportFrequency).
    static let heartbeatPeriod: Duration = .seconds(300)

    private struct State {
        var pressure = NodePressure()
        var hasRegistered = false
        var lastHeartbeat: ContinuousClock.Instant?
        /// Why the node is not ready, beside its network.
        var wasReady: Bool?
        /// A change that the API took and did not make.
        var ignored: JSON?
        var rangeProblem: String?
    }

    private let config: KubeletConfig
    private let paths: KubeletPaths
    private let facts: NodeFacts
    private let node: NodeView
    private let runtime: any ContainerRuntime
    private let images: ImageStore
    private let client: any APIClient
    private let informer: Informer
    private let events: NodeEvents
    private let log: Logger
    /// Called when pods can get addresses, or the node has become known.
    private let onChange: @Sendable () -> Void
    private let wakes = Mailbox<Void>()
    private let state = Mutex(State())

    init(
        config: KubeletConfig, facts: NodeFacts, node: NodeView, runtime: any ContainerRuntime, images: ImageStore,
        client: any APIClient, events: NodeEvents, log: Logger, onChange: @escaping @Sendable () -> Void
    ) {
        self.config = config
        paths = KubeletPaths(config)
        self.facts = facts
        self.node = node
        self.runtime = runtime
        self.images = images
        self.client = client
        self.events = events
        self.log = log
        self.onChange = onChange
        informer = Informer(client, .nodes, fieldSelector: "metadata.name=\(config.nodeName)", log: log)
    }

    /// Something of what the node tells has changed.
    func wake() { wakes.send(()) }

    /// Runs until the task is cancelled.
    func run() async {
        state.withLock { $0.pressure = .read(dataDir: config.dataDir) }
        informer.onEvent { [weak self] _ in self?.wake() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.informer.run() }
            group.addTask { await self.sample() }
            group.addTask { await self.keep() }
        }
    }

    private func sample() async {
        while (try? await Task.sleep(for: Self.samplePeriod)) != nil {
            let pressure = NodePressure.read(dataDir: config.dataDir)
            let isNews = state.withLock { state in
                defer { state.pressure = pressure }
                let isDue = state.lastHeartbeat.map { ContinuousClock.now - $0 >= Self.heartbeatPeriod } ?? true
                return state.pressure != pressure || isDue
            }
            if isNews { wake() }
        }
        wake()
    }

    private func keep() async {
        guard await informer.waitForSync(atMost: .seconds(365 * 86_400)) else { return }
        var backoff = Backoff(first: .milliseconds(100), limit: .seconds(5))
        while !Task.isCancelled {
            do {
                try await sync()
                backoff.reset()
                _ = await wakes.next()
            } catch {
                log.debug("cannot tell the API of the node", metadata: ["err": "\(error)"])
                try? await Task.sleep(for: backoff.next())  // cancellation is seen by the loop
            }
        }
    }

    private func sync() async throws {
        var object = informer.get(config.nodeName) ?? .null
        let isNew = object.isNull
        if isNew { object = try await register() }
        let isFirst = state.withLock { state in
            defer { state.hasRegistered = true }
            return !state.hasRegistered
        }
        node.change { $0.node = object }
        if isFirst {
            log.info("registered the node", metadata: ["node": "\(config.nodeName)", "new": "\(isNew)"])
            events.record(object: object, type: .normal, reason: "Starting", message: "Starting kubelet.")
            noteReboot(object)
            onChange()
        }
        try await takeRange(from: object)
        try await correctLabels(of: object)
        try await tell(object)
    }

    // MARK: the object

    /// Brings a range along where the node has one: its own, or the one that its pods have addresses of (its object was
    /// deleted while they ran). The API sees to it that no two nodes' ranges overlap, and gives one where none is asked
    /// for.
    private func register() async throws -> JSON {
        let isOwn = !config.podCIDRs.isEmpty
        let ranges = isOwn ? config.podCIDRs : node.current.isNetworkReady ? SavedRanges.read(paths.node) : []
        do {
            return try await register(with: ranges)
        } catch let error as StatusError {
            guard !ranges.isEmpty, let taker = Self.taker(error) else { throw error }
            if isOwn { note(taker: taker, of: ranges) }
            return try await register(with: [])
        }
    }

    private func register(with ranges: [CIDR]) async throws -> JSON {
        var object: JSON = [
            "kind": "Node", "apiVersion": "v1",
            "metadata": [
                "name": .string(config.nodeName),
                "labels": JSON(NodeStatus.labels(nodeName: config.nodeName, architecture: facts.architecture)),
            ],
            "spec": .emptyObject,
        ]
        if !ranges.isEmpty { object["spec"] = Self.spec(ranges) }
        object["status"] = status(known: .null)
        do {
            return try await client.create(.nodes, object)
        } catch let error as StatusError where error.isAlreadyExists {
            return try await client.get(.nodes, name: config.nodeName)
        }
    }

    private static func spec(_ ranges: [CIDR]) -> JSON {
        ["podCIDR": JSON(ranges.first?.description), "podCIDRs": JSON(ranges.map(\.description))]
    }

    /// Which node has the range that this one asks for, where that is why the API refuses.
    private static func taker(_ error: StatusError) -> String? {
        let marker = "overlaps the range of node \""
        for cause in error.details["causes"].items where cause["field"].string == "spec.podCIDRs" {
            guard let found = cause["message"].stringValue.firstRange(of: marker) else { continue }
            return String(cause["message"].stringValue[found.upperBound...].prefix { $0 != "\"" })
        }
        return nil
    }

    private func note(taker: String, of ranges: [CIDR]) {
        let problem = "the pod range \(ranges.text) overlaps that of node \(taker)"
        log.error("cannot use the pod range", metadata: ["err": "\(problem)"])
        state.withLock { $0.rangeProblem = problem }
    }

    private func correctLabels(of object: JSON) async throws {
        let labels = NodeStatus.labels(nodeName: config.nodeName, architecture: facts.architecture)
        let wrong = labels.filter { object.labels[$0.key] != $0.value }
        guard !wrong.isEmpty else { return }
        try await client.patch(.nodes, name: config.nodeName, ["metadata": ["labels": JSON(wrong)]])
    }

    // MARK: the pod range

    private func takeRange(from object: JSON) async throws {
        let given = Node(object).podCIDRs.compactMap { CIDR($0) }
        let own = config.podCIDRs
        if !own.isEmpty {
            // They were given to the runtime at start.
            if given.isEmpty {
                do {
                    try await client.patch(.nodes, name: config.nodeName, ["spec": Self.spec(own)])
                } catch let error as StatusError {
                    guard let taker = Self.taker(error) else { throw error }
                    note(taker: taker, of: own)
                }
            } else if given != own {
                state.withLock {
                    $0.rangeProblem =
                        "the node's pod range in the API is \(given.text), but it was started with \(own.text)"
                }
            }
            return
        }
        guard !given.isEmpty else { return }
        do throws(RuntimeError) {
            try runtime.setPodCIDRs(given)
        } catch {
            node.change {
                $0.isNetworkReady = false
                $0.networkProblem = "cannot use the pod range \(given.text): \(error)"
            }
            return
        }
        let isNews = !node.current.isNetworkReady
        node.change { $0.isNetworkReady = true }
        SavedRanges.write(given, to: paths.node, log: log)
        if isNews { onChange() }
    }

    /// The node's object still tells of the boot before.
    private func noteReboot(_ object: JSON) {
        let known = object["status"]["nodeInfo"]["bootID"].stringValue
        guard !known.isEmpty, !facts.bootID.isEmpty, known != facts.bootID else { return }
        events.record(
            object: object, type: .warning, reason: "Rebooted",
            message: "Node \(config.nodeName) has been rebooted, boot id: \(facts.bootID)")
    }

    // MARK: the status

    private func status(known: JSON) -> JSON {
        let (pressure, rangeProblem) = state.withLock { ($0.pressure, $0.rangeProblem) }
        let view = node.current
        let problem =
            rangeProblem
            ?? (view.isNetworkReady
                ? nil
                : "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:\(view.networkProblem)")
        // An unreadable store is told by the pods that need it.
        let list = (try? images.list()) ?? []
        return NodeStatus(
            config: config, facts: facts, capacity: node.capacity, problem: problem, pressure: pressure, images: list,
            known: known, now: .now()
        ).json()
    }

    private func tell(_ object: JSON) async throws {
        let now = ContinuousClock.now
        let isDue = state.withLock { $0.lastHeartbeat.map { now - $0 >= Self.heartbeatPeriod } ?? true }
        let desired = status(known: object["status"])
        let patch = NodeStatus.patch(from: object["status"], to: desired, isHeartbeatDue: isDue)
        guard !patch.isNull, isDue || patch != state.withLock({ $0.ignored }) else { return }
        let answer = try await client.patch(
            .nodes, name: config.nodeName, subresource: "status", type: .strategic, ["status": patch])
        node.change { $0.node = answer }
        let isReady = Node(answer).isReady
        let (wasReady, isIgnored) = state.withLock { state in
            defer { state.wasReady = isReady }
            state.lastHeartbeat = now
            let left = NodeStatus.patch(from: answer["status"], to: desired, isHeartbeatDue: false)
            state.ignored = left == patch ? patch : nil
            return (state.wasReady, left == patch)
        }
        if isIgnored { log.debug("the API did not take all of the node's status", metadata: ["patch": "\(patch)"]) }
        // A node that has just come is not ready yet, and that is no news.
        guard wasReady != isReady, wasReady != nil || isReady else { return }
        log.info(isReady ? "the node is ready" : "the node is not ready", metadata: ["node": "\(config.nodeName)"])
        events.record(
            object: object, type: .normal, reason: isReady ? "NodeReady" : "NodeNotReady",
            message: "Node \(config.nodeName) status is now: \(isReady ? "NodeReady" : "NodeNotReady")")
    }
}
