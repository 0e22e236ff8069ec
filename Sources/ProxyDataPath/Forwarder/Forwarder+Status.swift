import Kernel
import KubeAPI
import Logging

extension ServiceProxy {
    /// Tells of the way in which services are carried where it is not the one that was hoped for, as an event of the
    /// node: somebody who wonders about the addresses that pods see looks there, not into our log.
    func reportFallback() {
        guard let client, let fallbackReason else { return }
        // As the kubelet's own events of the node: its name stands for its uid.
        let node: JSON = [
            "kind": "Node", "apiVersion": "v1",
            "metadata": ["name": .string(config.nodeName), "uid": .string(config.nodeName)],
        ]
        EventRecorder(client: client, component: "kube-proxy", host: config.nodeName).record(
            object: node, type: .warning, reason: "ServicesInUserspace",
            message:
                "nf_tables can't be used, so that services are forwarded in userspace and endpoints see the node's "
                + "address: \(fallbackReason)")
        guard let egressProblem else { return }
        EventRecorder(client: client, component: "kube-proxy", host: config.nodeName).record(
            object: node, type: .warning, reason: "NoEgress", message: egressProblem)
    }
}

extension Forwarder {
    /// The services of a cluster, on the node that is described.
    convenience init(_ config: ProxyConfig, log: Logger) throws(KernelError) {
        let sites = config.sites
        let own = sites.compactMap { CIDR($0.nodeIP, prefixLength: $0.family.bitCount) }
        let routes = try ForwarderRoutes(
            priority: ServiceRoute.priority(tag: config.tag), sources: sites.map(\.nodeIP),
            covered: sites.map(\.serviceCIDR) + own)
        try self.init(
            nodeAddress: config.nodeIP, second: config.second?.nodeIP, clusterRanges: sites.map(\.clusterCIDR),
            routes: routes, log: log)
    }

    /// What it has done and holds, in Prometheus' text form.
    var metricsText: String {
        let counts = counts
        var text = PrometheusText()
        let prefix = "swiftlet_proxy_userspace_"
        text.one(prefix + "connections", .gauge, "TCP connections that are open.", counts.connections)
        text.one(
            prefix + "connection_limit", .gauge, "TCP connections that may be open at once.",
            UInt64(limits.connections))
        text.one(prefix + "connections_total", .counter, "TCP connections that were taken.", counts.accepted)
        let refused = prefix + "refused_total"
        text.family(refused, .counter, "TCP connections that were reset before an endpoint had them.")
        text.sample(refused, [("reason", "limit")], counts.refusedByLimit)
        text.sample(refused, [("reason", "source")], counts.refusedBySource)
        text.sample(refused, [("reason", "unreachable")], counts.unreachable)
        text.one(
            prefix + "failovers_total", .counter, "Attempts after one endpoint had failed.", counts.failovers)
        text.one(
            prefix + "idle_ends_total", .counter, "TCP connections that ended because nothing had passed.",
            counts.idleEnds)
        text.one(prefix + "bytes_total", .counter, "Bytes over TCP, both ways.", counts.bytes)
        text.one(prefix + "flows", .gauge, "UDP flows that are open.", counts.flows)
        text.one(prefix + "flows_total", .counter, "UDP flows that were opened.", counts.flowsOpened)
        text.one(
            prefix + "flows_evicted_total", .counter, "UDP flows that ended early, to make room.",
            counts.flowsEvicted)
        text.one(prefix + "datagrams_total", .counter, "UDP datagrams, both ways.", counts.datagrams)
        text.one(prefix + "pipes", .gauge, "Pipes that are open for bulk.", counts.pipes)
        text.one(prefix + "blocks", .gauge, "Blocks of 16 KiB that hold what can't be written yet.", counts.blocks)
        return text.text
    }
}
