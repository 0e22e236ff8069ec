import Glibc
import KubeAPI
import Logging
import Synchronization
import Transport

/// The API server: store, caches, router and sockets, put together.
///
/// Made in two steps. After `init` the store is open and components in this process can use `client(as:)`; `start`
/// makes the objects that every cluster has, and listens.
public final class APIServer: Sendable {
    /// Components add their checks here; `/readyz`, `/healthz` and `/validate` show them.
    public let health: HealthChecks
    private let config: APIServerConfig
    private let store: any Store
    private let router: Router
    private let serviceAddress: IPAddress
    private let secure: HTTPServer
    private let kubelets: KubeletClient
    private let insecure: HTTPServer?
    private let log: Logger
    private let state = Mutex(State())
    private let isBootstrapped = OnceFlag()
    private let isStopping = OnceFlag()

    private struct State {
        var port = 0
        var insecurePort = 0
        var tasks: [Task<Void, Never>] = []
    }

    /// Opens the store and loads it. Throws `StoreError`, which names the file or servers and the cause.
    public init(_ config: APIServerConfig, pki: ClusterPKI, loops: EventLoops, log: Logger) async throws(StoreError) {
        self.config = config
        self.log = log
        health = HealthChecks()
        let store = try await Self.openStore(config, pki, log)
        self.store = store
        let registry: Registry
        do throws(StoreError) {
            let services = ServiceAllocator(
                range: config.serviceCIDR, second: config.secondServiceCIDR, nodePorts: config.nodePortRange)
            serviceAddress = services.kubernetesAddress
            registry = try await Registry(scheme: .builtin, store: store, services: services, log: log)
        } catch {
            await store.close()
            throw error
        }
        kubelets = KubeletClient(
            loops: loops, tls: { try pki.clientTLS(.apiserverKubeletClient, serverName: $0) }, log: log)
        let host = "\(config.advertiseAddress)"
        let authenticator = Authenticator(
            tokens: config.tokens,
            serviceAccounts: TokenVerifier(TokenAuthority(key: pki.tokenKey), registry: registry))
        let context = ServerContext(
            registry: registry, health: health, authenticator: authenticator, kubelets: kubelets,
            logFiles: config.logFolder.map { LogFiles(root: $0) }, servesOldVersions: config.insecurePort != nil,
            serverAddress: "\(host.contains(":") ? "[\(host)]" : host):\(config.securePort)", log: log)
        router = Router(context)
        secure = HTTPServer(
            loops: loops,
            handler: HTTPDoor(router: router, admission: .authenticated(authenticator)),
            tls: pki.serverTLS, log: log)
        let plain = HTTPServer(
            loops: loops, handler: HTTPDoor(router: router, admission: .insecure(InsecurePortPolicy())), log: log)
        insecure = config.insecurePort == nil ? nil : plain
        addChecks(store)
    }

    private static func openStore(
        _ config: APIServerConfig, _ pki: ClusterPKI, _ log: Logger
    ) async throws(StoreError) -> any Store {
        let path = config.storePath
        let exists = access(path, F_OK) == 0
        guard let etcd = config.etcd else {
            if !exists, access(StoreMigration.moved(path), F_OK) == 0 {
                throw .unusable(
                    "cannot open store \(path): its data was moved to etcd by swiftlet migrate: start with "
                        + "--etcd-servers; to go back to what it was then, rename \(StoreMigration.moved(path)) to \(path)"
                )
            }
            return try SQLiteStore.open(path: path, log: log)
        }
        // An empty etcd beside it would have all pods ended.
        if exists {
            throw .unusable(
                "cannot use etcd at \(etcd.place): this cluster's data is in \(path): move it with swiftlet migrate "
                    + "--from sqlite --to etcd, or move the file away to begin with what is in etcd")
        }
        let store = try await EtcdStore.open(etcd, cluster: pki.fingerprint, log: log)
        do throws(StoreError) {
            try await store.agree(
                on: [
                    ("service-cidr", "\(config.serviceCIDR)"),
                    (
                        "service-node-port-range",
                        "\(config.nodePortRange.lowerBound)-\(config.nodePortRange.upperBound)"
                    ),
                ], as: "\(config.advertiseAddress)")
        } catch {
            await store.close()
            throw error
        }
        return store
    }

    private func addChecks(_ store: any Store) {
        health.add("ping", .live) { nil }
        health.add("store", .ready) { store.failure }
        health.add("bootstrap", .ready) { [isBootstrapped] in
            isBootstrapped.isSet ? nil : "the first objects are not made yet"
        }
        health.add("shutdown", .ready) { [isStopping] in isStopping.isSet ? "the server is shutting down" : nil }
    }

    /// The API for a component in this process.
    public func client(as user: UserInfo) -> InProcessClient { InProcessClient(router: router, user: user) }

    /// Makes known the node API of a kubelet in this process: clients' connections to its pods are handed to it.
    public func connect(node: String, _ kubelet: any HTTPHandler) { kubelets.local[node] = kubelet }

    /// The port of HTTPS; 0 before `start`.
    public var securePort: Int { state.withLock { $0.port } }

    /// The port without credentials; 0 before `start`, and where there is none.
    public var insecurePort: Int { state.withLock { $0.insecurePort } }

    // MARK: - Life

    /// Makes the first objects and listens. Throws `APIServerError`; `shutdown` is to be called all the same.
    public func start() async throws {
        let advertised = config.advertiseAddress
        if advertised.isLoopback || advertised.isUnspecified || advertised.isMulticast {
            throw APIServerError(
                "cannot advertise \(advertised) as the API's address: pods do not reach it; choose another with --node-ip"
            )
        }
        let client = client(as: .apiserver)
        try await Bootstrap(client: client, log: log).run()
        let port = try await listen()
        state.withLock { $0.port = port }
        let kubernetes = PublishedService.kubernetes(
            client: client, store: store, clusterIP: serviceAddress, endpoint: config.advertiseAddress, port: port,
            log: log)
        let dns = config.dns.map {
            PublishedService.dns(client: client, store: store, $0, endpoint: advertised, log: log)
        }
        try await kubernetes.reconcile()
        _ = isBootstrapped.set()
        let hub = router.context.registry.hub
        let isShared = store.isShared
        let tasks = [
            Task { await kubernetes.run(isShared: isShared) },
            Task { if let dns { await dns.run(isShared: isShared) } },
            Task {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .seconds(1))  // cancellation is seen by the loop's condition
                    hub.tick()
                }
            },
        ]
        state.withLock { $0.tasks = tasks }
    }

    private func listen() async throws(APIServerError) -> Int {
        let port = try await listen(secure, config.bindAddress, config.securePort, flag: "--secure-port")
        let advertised = "\(config.advertiseAddress)"
        let isCovered = advertised == config.bindAddress || IPAddress(config.bindAddress)?.isUnspecified == true
        if !isCovered, config.listensOnAdvertiseAddress {
            _ = try await listen(secure, advertised, port, flag: "--secure-port")
        }
        if let insecure, let insecurePort = config.insecurePort {
            let port = try await listen(insecure, "127.0.0.1", insecurePort, flag: "--insecure-port")
            state.withLock { $0.insecurePort = port }
        }
        return port
    }

    private func listen(
        _ server: HTTPServer, _ host: String, _ port: Int, flag: String
    ) async throws(APIServerError) -> Int {
        do {
            return try await server.listen(host: host, port: port)
        } catch let error as TransportError where error.code == .addressInUse {
            throw APIServerError(
                "\(error): another program uses the port, perhaps another swiftlet; stop it, or choose another port "
                    + "with \(flag)")
        } catch {
            throw APIServerError("\(error)")
        }
    }

    /// Ends watches and connections, lets requests in hand finish, and closes the store.
    public func shutdown() async {
        guard isStopping.set() else { return }
        for task in state.withLock({ $0.tasks }) { task.cancel() }
        router.context.registry.hub.finishWatches()
        await insecure?.shutdown()
        await secure.shutdown()
        // SQLite's writer's thread is waited for, which must not hold up a thread that all tasks share for long: what is
        // queued is one transaction.
        await store.close()
    }

    /// Writes a consistent copy of the store to a file that must not exist.
    public func backup(to path: String) throws(StoreError) { try store.backup(to: path) }
}
