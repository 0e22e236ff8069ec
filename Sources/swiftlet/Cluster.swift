import ControlPlane
import KubeAPI
import Logging
import NodeAgent
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
        let site = try NodeSite(
            ground: ground, node: node, serviceRanges: options.serviceRanges, kinds: RangeClaim.Kind.allCases)
        // One thread carries some 80,000 small requests per second.
        let loops = EventLoops(count: 1)
        let half: ServerHalf
        do {
            half = try await ServerHalf.start(
                paths: ground.paths, options: options,
                place: ServerHalf.Place(
                    nodeName: site.nodeName, addresses: site.addresses, clusterRanges: site.clusterRanges,
                    serviceRange: site.serviceRange, dns: node.dns.place(in: site.serviceRange)),
                hasControllers: true, servesComponents: false, loops: loops, log: ground.log)
        } catch {
            await loops.shutdown()
            throw error
        }
        do {
            return try join(site, half, options, node, loops, ground.log)
        } catch {
            await half.server.shutdown()
            await loops.shutdown()
            throw error
        }
    }

    /// Starts everything that lives by the API.
    private static func join(
        _ site: NodeSite, _ half: ServerHalf, _ options: ServerOptions, _ node: NodeOptions, _ loops: EventLoops,
        _ log: Logger
    ) throws -> Cluster {
        let server = half.server
        let nodeHalf = try NodeHalf(
            site: site, node: node, nodePorts: options.nodePorts,
            clients: NodeHalf.Clients(
                kubelet: server.client(as: .node(site.nodeName)), proxy: server.client(as: .proxy),
                dns: server.client(as: .dns)), tls: half.pki.kubeletServerTLS, loops: loops, log: log)
        server.connect(node: site.nodeName, nodeHalf.kubelet.nodeAPI)
        nodeHalf.report(to: server.health)
        let (failures, failed) = AsyncStream<CommandError>.makeStream()
        let tasks = half.start() + nodeHalf.start { failed.yield($0) }
        return Cluster(
            site: site, server: server, loops: loops, kubelet: nodeHalf.kubelet, tasks: tasks, failures: failures)
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
