import Glibc
import KubeAPI
import Kernel
import Logging
import Synchronization
import Transport

/// The node's agent: runs the pods that the API has bound to the node and those of its manifest folder, and tells the API
/// what becomes of them.
///
/// Pods don't depend on it: one that is started later, or was killed, finds them running and goes on.
public final class Kubelet: Sendable {
    private struct State {
        var main: Task<Void, any Error>?
        var isUp = false
        var failure: (any Error)?
        /// Watched for as long as this runs.
        var manifests: ManifestFolder?
        var execDoor: ExecDoor?
    }

    private let config: KubeletConfig
    private let context: KubeletContext
    private let workers: PodWorkers
    private let sources: PodSources
    private let keeper: NodeKeeper?
    private let server: HTTPServer
    private let nodeServer: NodeServer
    private let loop: EpollLoop
    private let inotify: Inotify
    private let log: Logger
    private let state = Mutex(State())

    /// Sets up what needs no I/O but threads; changes nothing on the node yet.
    /// - Parameters:
    ///   - client: the API as this node's identity; nil for a kubelet that stands alone.
    ///   - runtime: not used by anybody else; `run` recovers its pods.
    ///   - loops: carry the node API.
    public convenience init(
        config: KubeletConfig, client: (any APIClient)?, runtime: PodRuntime, images: ImageStore, loops: EventLoops,
        log: Logger
    ) throws {
        let secrets = KubeletPaths(config).memoryVolumes
        do throws(KernelError) {
            try FileTree.makeFolders(secrets)
            try MemoryFolder.make(secrets)
        } catch {
            log.warning("secrets of pods lie on a disk", metadata: ["err": "\(error)"])
        }
        try self.init(config: config, client: client, containerRuntime: runtime, images: images, loops: loops, log: log)
    }

    /// Takes away what a kubelet mounted. For `swiftlet reset`, with no kubelet alive.
    public static func reset(runDir: String) throws(KernelError) {
        try MemoryFolder.unmount(KubeletPaths.memoryVolumes(runDir: runDir))
    }

    init(
        config: KubeletConfig, client: (any APIClient)?, containerRuntime: any ContainerRuntime, images: ImageStore,
        loops: EventLoops, log: Logger, healthRunner: (any HealthRunner)? = nil
    ) throws {
        let facts = NodeFacts.read()
        // The disk's size is that of the folder that pods fill.
        try FileTree.makeFolders(config.dataDir)
        let node = NodeView(
            name: config.nodeName, hostIPs: config.nodeIPs.map(\.description), hostname: facts.hostname,
            capacity: facts.capacity(dataDir: config.dataDir, maxPods: config.maxPods))
        let metrics = NodeMetrics()
        let runtime = MeasuredRuntime(inner: containerRuntime, metrics: metrics)
        let events = NodeEvents(
            recorder: client.map { EventRecorder(client: $0, component: "kubelet", host: config.nodeName) })
        let wakeUp = WakeUp()
        let files = try WorkerThreads(name: "kubelet-files", count: 2)
        let context = KubeletContext(
            config: config, paths: KubeletPaths(config), node: node, runtime: runtime,
            images: ImageFinder(
                store: images, puller: ImagePuller(store: images, registriesFile: config.registries, log: log)),
            client: client, events: events,
            objects: client.map { client in
                ReferencedObjects(client: client, log: log) { uids in wakeUp.objectsChanged(uids) }
            },
            tokens: client.map { client in
                ServiceAccountTokens(client: client) { uid in wakeUp.objectsChanged([uid]) }
            },
            services: client.map { Informer($0, .services, log: log) },
            files: files, leftovers: Leftovers(thread: files, log: log), metrics: metrics,
            health: try healthRunner
                ?? NodeHealthRunner(
                    dialer: Dialer(loops: loops), commands: RuntimeCommands(runtime: runtime)), log: log)
        let workers = PodWorkers(context: context)
        wakeUp.workers = workers
        self.config = config
        self.context = context
        self.workers = workers
        self.log = log
        sources = PodSources(context: context, workers: workers)
        keeper = client.map { client in
            NodeKeeper(
                config: config, facts: facts, node: node, runtime: runtime, images: images, client: client,
                events: events, log: log, onChange: { workers.broadcast(.wake) })
        }
        loop = try EpollLoop(name: "kubelet")
        inotify = try Inotify(loop: loop)
        let health = Health()
        nodeServer = NodeServer(
            workers: workers, context: context, inotify: inotify,
            streams: NodeStreams(workers: workers, context: context, loop: loop), log: log,
            isHealthy: { health.kubelet?.isHealthy ?? false })
        server = HTTPServer(loops: loops, handler: nodeServer, tls: config.tls, log: log)
        health.kubelet = self
    }

    /// Closes a circle without holding it: workers are made of a context that wakes workers.
    private final class WakeUp: Sendable {
        private let target = Mutex<PodWorkers?>(nil)
        var workers: PodWorkers? {
            get { target.withLock { $0 } }
            set { target.withLock { $0 = newValue } }
        }
        func objectsChanged(_ uids: Set<String>) {
            guard let workers else { return }
            for uid in uids { workers.send(.objectsChanged, to: uid) }
        }
    }

    private final class Health: Sendable {
        private struct Reference { weak var kubelet: Kubelet? }
        private let reference = Mutex(Reference())
        var kubelet: Kubelet? {
            get { reference.withLock { $0.kubelet } }
            set { reference.withLock { $0.kubelet = newValue } }
        }
    }

    /// Whether it looks after its pods.
    public var isHealthy: Bool { state.withLock { $0.isUp } }

    /// What this node's port serves: for a server in this process that hands its clients' connections over.
    public var nodeAPI: any HTTPHandler { nodeServer }

    /// What it counts, in Prometheus' text form.
    public func metrics() -> String { nodeServer.metrics() }

    // MARK: life

    /// Why `run` has ended by itself; nil while it runs, and after `shutdown`.
    public var failure: (any Error)? { state.withLock { $0.failure } }

    /// Runs until `shutdown`, or until the calling task is cancelled. Where it can't begin it says so in the log, and
    /// returns.
    public func run() async {
        let main = Task { try await self.main() }
        state.withLock { $0.main = main }
        await withTaskCancellationHandler {
            do {
                try await main.value
            } catch {
                log.critical("cannot run the kubelet", metadata: ["err": "\(error)"])
                state.withLock { $0.failure = error }
            }
        } onCancel: {
            main.cancel()
        }
    }

    /// Ends `run`. Pods keep running.
    public func shutdown() async {
        let main = state.withLock { state in
            state.isUp = false
            return state.main
        }
        main?.cancel()
        // What it ended with is told to the caller of `run`.
        _ = await main?.result
    }

    private func main() async throws {
        let result: Result<Void, any Error>
        do {
            try await begin()
            state.withLock { $0.isUp = true }
            log.info("the kubelet is up", metadata: ["node": "\(config.nodeName)", "api": "\(context.client != nil)"])
            await work()
            result = .success(())
        } catch {
            result = .failure(error)
        }
        state.withLock { $0.isUp = false }
        workers.stop()
        context.objects?.stop()
        context.tokens?.stop()
        await server.shutdown()
        await context.images.puller.stop()
        await context.runtime.shutdown()
        context.leftovers.stop()
        context.files.stop()
        loop.stop()
        try result.get()
    }

    /// Everything up to the point where pods are looked after.
    private func begin() async throws {
        for folder in [
            context.paths.pods, context.paths.memoryVolumes, context.paths.podLogs, context.paths.containerLogs,
        ] {
            try FileTree.makeFolders(folder)
        }
        FileTree.spreadFolders(in: context.paths.podLogs)
        // Secrets lie there.
        chmod(context.paths.memoryVolumes, 0o700)
        chmod(context.paths.pods, 0o750)
        let adopted = try await context.runtime.recover()
        // Afterwards: the addresses that are taken must be known.
        takeKnownRange()
        sources.adopt(adopted)
        let (workers, sources) = (workers, sources)
        _ = try inotify.watch(context.images.store.folder, .movedTo) { [keeper] _ in
            workers.broadcast(.imagesChanged)
            keeper?.wake()
        }
        let manifests = ManifestFolder(path: config.manifests, nodeName: config.nodeName, log: log)
        sources.manifestsChanged(try manifests.open(inotify) { sources.manifestsChanged($0) })
        state.withLock { $0.manifests = manifests }
        try await listen()
    }

    /// Runs until it is called off.
    private func work() async {
        let sources = sources
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.forwardEvents() }
            group.addTask { await sources.run() }
            if let services = context.services { group.addTask { await services.run() } }
            if let keeper { group.addTask { await keeper.run() } }
            if let client = context.client {
                let lease = NodeLease(client: client, node: context.node, log: log)
                group.addTask { await lease.run() }
            }
            group.addTask { await self.context.images.puller.clean() }
            if let folder = config.imageDir { group.addTask { await self.importImages(folder) } }
        }
    }

    private func listen() async throws {
        try FileTree.makeFolders(config.runDir)
        try await server.listen(unixSocket: context.paths.socket)
        let (workers, runtime) = (workers, context.runtime)
        let door = try ExecDoor(
            folder: context.paths.execFolder, loop: loop, runtime: runtime, log: log, pods: { workers.snapshots })
        state.withLock { $0.execDoor = door }
        guard config.tls != nil else { return }
        let isDual = config.nodeIPs.contains(where: \.isIPv6)
        try await server.listen(host: isDual ? "::" : "0.0.0.0", port: config.port)
    }

    /// The node's own range, or the one that it had: pods need not wait for the API.
    private func takeKnownRange() {
        let ranges = config.podCIDRs.isEmpty ? SavedRanges.read(context.paths.node) : config.podCIDRs
        guard !ranges.isEmpty else { return }
        do throws(RuntimeError) {
            try context.runtime.setPodCIDRs(ranges)
            context.node.change { $0.isNetworkReady = true }
        } catch {
            log.error("cannot use the pod range", metadata: ["range": "\(ranges.text)", "err": "\(error)"])
            context.node.change { $0.networkProblem = "cannot use the pod range \(ranges.text): \(error)" }
        }
    }

    private func forwardEvents() async {
        for await event in context.runtime.events {
            switch event {
            case .containerExited(let uid, let id, let record): workers.send(.exited(id: id, record), to: uid)
            case .sandboxDied(let uid, let reason): workers.send(.sandboxDied(reason: reason), to: uid)
            }
        }
    }

    /// Imports the archives of a folder. One that can't be read does not keep the others away.
    private func importImages(_ folder: String) async {
        let store = context.images.store
        for name in FileTree.names(in: folder) where !name.hasPrefix(".") && !Task.isCancelled {
            let path = "\(folder)/\(name)"
            do {
                let images = try await onOwnThread { try store.importArchive(path: path) }
                log.info("imported images", metadata: ["archive": "\(path)", "images": "\(images.flatMap(\.names))"])
            } catch {
                log.error("cannot import images", metadata: ["archive": "\(path)", "err": "\(error)"])
            }
        }
    }
}
