import ArgumentParser
import KubeAPI
import Transport

/// `swiftlet kubelet`: the node agent alone, running the static pods of its manifest folder.
struct KubeletCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubelet", abstract: "Run the node agent alone: the pods of a manifest folder.",
        discussion: "It needs no API server. Ends on SIGTERM; pods stay.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "Node") var node: NodeOptions
    @Option(help: "Range of virtual IPs, which no pod gets an address of.")
    var serviceCidr = "10.96.0.0/16"

    func validate() throws { try ServerOptions.checkRange("service-cidr", serviceCidr) }

    func run() async throws {
        let signals = try TerminationSignals()
        let ground = try Ground(global: global, name: "kubelet")
        var node = node
        // Nobody gives this node a range: the first that a cluster would give.
        node.podCidr = node.podCidr ?? CIDR(node.clusterCidr)?.subnet(0, prefixLength: 22)?.description
        let site = try NodeSite(ground: ground, node: node, serviceRange: NodeSite.range(serviceCidr, "service-cidr"))
        let loops = EventLoops(count: 1)
        let kubelet = try site.kubelet(node: node, client: nil, tls: nil, loops: loops, log: ground.log)
        // Pods get out of the node and their host ports in by the proxy's rules; there are no services to carry.
        let proxy = try site.proxy(node: node, nodePorts: nil, client: nil, log: ground.log)
        let carrying = Task { await proxy.run() }
        proxy.podsChanged([])
        // A stream, and not the task's value: waiting for that could not be broken off by a signal.
        let (endings, ended) = AsyncStream<CommandError?>.makeStream()
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
        carrying.cancel()
        await carrying.value
        await loops.shutdown()
        // Held to the end: the claim on the ranges goes with it.
        withExtendedLifetime(site) {}
        if let failure { throw failure }
    }
}
