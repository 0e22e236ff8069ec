import ArgumentParser
import ControlPlane
import KubeAPI
import Kernel
import NodeAgent
import ProxyDataPath
import Transport

/// `swiftlet kubelet`: the node agent as a process of its own, by an API or with a manifest folder alone.
struct KubeletCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubelet", abstract: "Run the node agent alone: the pods of a manifest folder, and of an API.",
        discussion: """
            Without --kubeconfig and --master it needs no API server, and gives its pods' connections the node's address \
            by itself; with one of them, swiftlet proxy does that. Ends on SIGTERM; pods stay.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "API") var api: APIOptions
    @OptionGroup(title: "Node") var node: NodeOptions
    @OptionGroup(title: "Port") var serving: NodeServingOptions
    @Option(help: "Ranges of virtual IPs, which no pod gets an address of.")
    var serviceCidr = "10.96.0.0/16"

    func validate() throws { try ServerOptions.checkRanges("service-cidr", serviceCidr) }

    private static func firstParts(of ranges: String) -> String? {
        CIDR.list(ranges)?.map { range in
            let length = max(range.prefixLength, range.family == .ipv4 ? 22 : 64)
            return "\(range.subnet(0, prefixLength: length) ?? range)"
        }.joined(separator: ",")
    }

    func run() async throws {
        let signals = try TerminationSignals()
        let ground = try Ground(global: global, name: "kubelet", roles: api.isEmpty ? Role.agent : [.kubelet])
        let loops = EventLoops(count: 1)
        let parts = try api.isEmpty ? alone(ground, loops) : byAPI(ground, loops)
        let tasks = parts.companions.map { companion in Task { await companion() } }
        // A stream, and not the task's value: waiting for that could not be broken off by a signal.
        let (endings, ended) = AsyncStream<CommandError?>.makeStream()
        let kubelet = parts.kubelet
        Task {
            await kubelet.run()
            ended.yield(kubelet.failure.map { CommandError("the kubelet ended: \($0)") })
        }
        ServiceManager.notify("READY=1")
        let failure = await signals.next(unless: {
            for await ending in endings { return ending }
            return nil
        })
        ServiceManager.notify("STOPPING=1")
        ground.log.info("stopping; pods stay")
        await kubelet.shutdown()
        for task in tasks {
            task.cancel()
            await task.value
        }
        await loops.shutdown()
        // Held to the end: the claim on the ranges goes with it.
        withExtendedLifetime(parts.site) {}
        if let failure { throw failure }
    }

    private struct Parts {
        let site: NodeSite
        let kubelet: Kubelet
        /// What runs beside it.
        let companions: [@Sendable () async -> Void]
    }

    private func alone(_ ground: Ground, _ loops: EventLoops) throws -> Parts {
        var node = node
        // Nobody gives this node a range: the first that a cluster would give.
        node.podCidr = node.podCidr ?? Self.firstParts(of: node.clusterCidr)
        let site = try NodeSite(ground: ground, node: node, serviceRanges: NodeSite.ranges(serviceCidr, "service-cidr"))
        let kubelet = try site.kubelet(node: node, client: nil, tls: nil, loops: loops, log: ground.log)
        // Pods get out of the node and their host ports in by the proxy's rules; there are no services to carry.
        let proxy = try site.proxy(node: node, nodePorts: nil, client: nil, log: ground.log)
        return Parts(
            site: site, kubelet: kubelet,
            companions: [
                {
                    proxy.podsChanged([])
                    await proxy.run()
                }
            ])
    }

    private func byAPI(_ ground: Ground, _ loops: EventLoops) throws -> Parts {
        let (paths, log) = (ground.paths, ground.log)
        let site = try NodeSite(
            ground: ground, node: node, serviceRanges: NodeSite.ranges(serviceCidr, "service-cidr"), role: "kubelet")
        try DurableFile.write(Array("\(site.nodeName)\n".utf8), to: paths.nodeName, isSynced: false)
        let usual = paths.kubeconfig("node")
        let credentials = try serving.credentials(
            site: site, paths: paths, kubeconfig: api.kubeconfigPath(usual), ground: ground)
        let kubelet = try site.kubelet(
            node: node,
            client: api.client(usual: usual, context: ClusterPKI.NodeContext.kubelet, loops: loops, log: log),
            tls: credentials.tls, drain: DrainClient(socket: paths.proxySocket, loops: loops, log: log), loops: loops,
            log: log)
        return Parts(site: site, kubelet: kubelet, companions: [{ await credentials.run() }])
    }
}
