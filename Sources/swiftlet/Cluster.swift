import ControlPlane
import Glibc
import KubeAPI
import Kernel
import Logging
import NodeAgent
import ProxyDataPath
import Transport

/// All components in one process, joined by nothing but the API: started in order, stopped in reverse.
final class Cluster: Sendable {
    /// Held for as long as this runs: the claim on the ranges goes with it.
    private let site: NodeSite
    private let server: APIServer
    private let loops: EventLoops
    private let kubelet: Kubelet
    private let tasks: [Task<Void, Never>]
    /// Why a component has ended by itself.
    private let failures: AsyncStream<CommandError>

    private init(
        site: NodeSite, server: APIServer, loops: EventLoops, kubelet: Kubelet, tasks: [Task<Void, Never>],
        failures: AsyncStream<CommandError>
    ) {
        self.site = site
        self.server = server
        self.loops = loops
        self.kubelet = kubelet
        self.tasks = tasks
        self.failures = failures
    }

    /// Returns when the API is served. Throws what names operation, subject and cause.
    static func start(_ ground: Ground, server options: ServerOptions, node: NodeOptions) async throws -> Cluster {
        let paths = ground.paths
        let log = ground.log
        let serviceRange = try options.serviceRange
        let site = try NodeSite(ground: ground, node: node, serviceRange: serviceRange)
        let pki = try ClusterPKI.open(
            dataDir: paths.dataDir, addresses: [site.address] + [serviceRange.nth(1)].compactMap(\.self),
            nodeName: site.nodeName, securePort: options.securePort, log: log)
        // One thread carries some 80,000 small requests per second.
        let loops = EventLoops(count: 1)
        let server: APIServer
        do {
            server = try APIServer(
                options.apiServer(paths: paths, address: site.address, dns: node.dns.place(in: serviceRange)), pki: pki,
                loops: loops, log: log)
        } catch {
            await loops.shutdown()
            throw error
        }
        do {
            try await server.start()
            return try join(site, options, node, server, pki, loops, log)
        } catch {
            await server.shutdown()
            await loops.shutdown()
            throw error
        }
    }

    /// Starts everything that lives by the API.
    private static func join(
        _ site: NodeSite, _ options: ServerOptions, _ node: NodeOptions, _ server: APIServer, _ pki: ClusterPKI,
        _ loops: EventLoops, _ log: Logger
    ) throws -> Cluster {
        let scheduler = Scheduler(client: server.client(as: .scheduler), log: log)
        let controllers = ControllerManager(
            client: server.client(as: .controllerManager),
            options: ControllerOptions(
                clusterCIDR: site.clusterRange, nodeCIDRMaskSize: options.nodeCidrMaskSize,
                eventTTL: options.eventLifetime ?? .seconds(3600), resources: server.collections), log: log)
        let proxy = try site.proxy(
            node: node, nodePorts: options.nodePorts, client: server.client(as: .proxy), log: log)
        let kubelet = try site.kubelet(
            node: node, client: server.client(as: .node(site.nodeName)), tls: pki.kubeletServerTLS,
            drain: proxy, loops: loops, log: log)
        server.connect(node: site.nodeName, kubelet.nodeAPI)
        let dns = try site.dns(node.dns, client: server.client(as: .dns), log: log)
        server.health.add("scheduler", .component) {
            scheduler.isHealthy ? nil : "it has not listed pods and nodes yet"
        }
        server.health.add("controller-manager", .component) {
            controllers.isHealthy ? nil : "its first lists are not in yet"
        }
        server.health.add("kubelet", .component) { kubelet.isHealthy ? nil : "it is not ready" }
        server.health.add("proxy", .component) {
            proxy.isHealthy ? nil : proxy.failure ?? "service rules are not in place yet"
        }
        if let dns { server.health.add("dns", .component) { dns.failure } }
        let servers = site.servers(of: proxy, node: node, loops: loops, log: log)
        let (failures, failed) = AsyncStream<CommandError>.makeStream()
        let tasks = [
            Task { await pki.run() },
            Task { await controllers.run() },
            Task { await scheduler.run() },
            Task { await proxy.run() },
            Task { if let dns { await dns.run() } },
            Task { await servers.run() },
            Task {
                await kubelet.run()
                if let failure = kubelet.failure { failed.yield(CommandError("the kubelet ended: \(failure)")) }
            },
        ]
        return Cluster(site: site, server: server, loops: loops, kubelet: kubelet, tasks: tasks, failures: failures)
    }

    /// The first component that ends by itself; nil when the task is cancelled.
    func firstFailure() async -> CommandError? {
        for await failure in failures { return failure }
        return nil
    }

    /// Lets go of everything; pods and rules stay.
    func stop() async {
        await kubelet.shutdown()
        for task in tasks.reversed() {
            task.cancel()
            await task.value
        }
        await server.shutdown()
        await loops.shutdown()
    }
}
