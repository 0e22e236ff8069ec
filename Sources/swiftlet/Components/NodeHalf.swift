import ControlPlane
import DNS
import KubeAPI
import Logging
import NodeAgent
import ProxyDataPath
import Transport

/// The half of a node: kubelet, proxy and DNS, each over a client of its own.
final class NodeHalf: Sendable {
    let kubelet: Kubelet
    private let proxy: ServiceProxy
    private let dns: DNSServer?
    private let servers: ProxyServers
    private let dnsPages: @Sendable () async -> Void

    /// Whose API it is.
    struct Clients {
        var kubelet: any APIClient
        var proxy: any APIClient
        var dns: any APIClient
    }

    init(
        site: NodeSite, node: NodeOptions, nodePorts: ClosedRange<Int>?, clients: Clients, tls: ServerTLS?,
        loops: EventLoops, log: Logger
    ) throws {
        proxy = try site.proxy(node: node, nodePorts: nodePorts, client: clients.proxy, log: log)
        kubelet = try site.kubelet(
            node: node, client: clients.kubelet, tls: tls, drain: proxy, loops: loops, log: log)
        let dns = try site.dns(node.dns, client: clients.dns, log: log)
        self.dns = dns
        let pagesAddress = node.dns.dnsMetricsBindAddress
        dnsPages = { if let dns { await DNSPages(dns: dns).run(at: pagesAddress, loops: loops, log: log) } }
        servers = site.servers(of: proxy, node: node, loops: loops, log: log)
    }

    /// Lets `/validate` of a server in this process tell of the parts.
    func report(to health: HealthChecks) {
        let (kubelet, proxy) = (kubelet, proxy)
        health.add("kubelet", .component) { kubelet.isHealthy ? nil : "it is not ready" }
        health.add("proxy", .component) {
            proxy.isHealthy ? nil : proxy.failure ?? "service rules are not in place yet"
        }
        if let dns { health.add("dns", .component) { dns.failure } }
    }

    /// Starts the parts. `failed` is called when the kubelet ends by itself.
    func start(failed: @escaping @Sendable (CommandError) -> Void) -> [Task<Void, Never>] {
        [
            Task { await self.proxy.run() },
            Task { if let dns = self.dns { await dns.run() } },
            Task { await self.dnsPages() },
            Task { await self.servers.run() },
            Task {
                await self.kubelet.run()
                if let failure = self.kubelet.failure {
                    failed(CommandError("the kubelet ended: \(failure)"))
                }
            },
        ]
    }
}
