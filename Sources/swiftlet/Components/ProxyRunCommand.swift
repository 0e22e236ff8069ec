import ArgumentParser
import ControlPlane
import KubeAPI
import Kernel
import Transport

/// `swiftlet proxy [run]`: the service proxy as a process of its own.
struct ProxyRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Carry services on this node.",
        discussion: "Ends on SIGTERM; service rules stay.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "API") var api: APIOptions
    @OptionGroup(title: "Node") var node: NodeOptions
    @OptionGroup(title: "Services") var services: ServiceRangeOptions

    func run() async throws {
        let signals = try TerminationSignals()
        let ground = try Ground(global: global, name: "proxy", roles: [.proxy])
        var node = node
        node.nodeName = node.nodeName ?? KernelFile.readIfPresent(ground.paths.nodeName)
        let site = try NodeSite(
            ground: ground, node: node, serviceRanges: NodeSite.ranges(services.serviceCidr, "service-cidr"),
            role: "proxy")
        let loops = EventLoops(count: 1)
        let client = api.client(
            usual: ground.paths.kubeconfig("node"), context: ClusterPKI.NodeContext.proxy, loops: loops, log: ground.log
        )
        let proxy = try site.proxy(node: node, nodePorts: services.nodePorts, client: client, log: ground.log)
        let servers = site.servers(of: proxy, node: node, loops: loops, log: ground.log)
        let tasks = [Task { await proxy.run() }, Task { await servers.run() }]
        ServiceManager.notify("READY=1")
        await signals.next()
        ServiceManager.notify("STOPPING=1")
        ground.log.info("stopping; service rules stay")
        for task in tasks.reversed() {
            task.cancel()
            await task.value
        }
        await loops.shutdown()
        withExtendedLifetime(site) {}
    }
}
