import Kernel
import KubeAPI

extension ServiceProxy {
    /// What `/healthz` and `/livez` say.
    public struct Health: Sendable {
        /// 200 or 503.
        public let code: Int
        public let body: JSON
    }

    /// Whether rules follow what is wanted; with the node's own fate (`/healthz`), by which load balancers go: a node
    /// that is being deleted gets no new connections.
    public func health(withNode: Bool) -> Health {
        let (isServing, isLeaving) = state.withLock { state in
            let isLate = state.failingSince.map { ContinuousClock.now - $0 > Self.patience } ?? false
            return (state.hasStarted && !isLate, state.nodeIsLeaving)
        }
        let now = Timestamp.now()
        let lastUpdated = isServing ? now : metrics.lastSync ?? Timestamp(unixNanos: 0)
        var body: JSON = ["lastUpdated": .string(lastUpdated.nano), "currentTime": .string(now.nano)]
        if withNode { body["nodeEligible"] = .bool(!isLeaving) }
        let code = isServing && !(withNode && isLeaving) ? 200 : 503
        metrics.countAnswer(withNode ? "healthz" : "livez", code: code)
        return Health(code: code, body: body)
    }

    /// All metrics in Prometheus' text form.
    public func metricsText() -> String {
        let counts = state.withLock { $0.services.localGaps }
        var extra = [
            ProxyMetrics.Gauge(
                name: "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
                help: "Number of services with a Local traffic policy and no endpoints",
                values: [
                    ([("traffic_policy", "internal")], Double(counts.internal)),
                    ([("traffic_policy", "external")], Double(counts.external)),
                ])
        ]
        if !rules.isEmpty {
            // Of both families together.
            var counts: [(set: String, count: Int)] = []
            for (set, count) in rules.flatMap(\.elementCounts) {
                if let index = counts.firstIndex(where: { $0.set == set }) {
                    counts[index].count += count
                } else {
                    counts.append((set, count))
                }
            }
            extra.append(
                ProxyMetrics.Gauge(
                    name: "swiftlet_proxy_nftables_elements", help: "Elements that each set of the table holds",
                    values: counts.map { ([("set", "\($0.set)")], Double($0.count)) }))
            let ruleCount = rules.reduce(0) { $0 + $1.ruleCount }
            extra.append(
                ProxyMetrics.Gauge(
                    name: "swiftlet_proxy_nftables_rules", help: "Rules of the table",
                    values: [([], Double(ruleCount))]))
        }
        return metrics.text(extra) + ((carrier as? Forwarder)?.metricsText ?? "")
    }

    /// What is programmed, as a document: for all services, or for one (`namespace/name`). Connections are counted where
    /// conntrack can be asked.
    public func describe(_ service: String?) -> JSON {
        let served = countConnections()
        let ports = carrier.programmed(service).sorted { $0.name < $1.name }
        return [
            "mode": .string(modeDescription), "table": .string(config.table),
            "services": .array(
                ports.map { port in
                    let local = Set(port.localAddresses)
                    let all = (port.backends + port.localBackends.filter { !port.backends.contains($0) }).sorted()
                    return [
                        "service": .string(port.name.service), "port": .string(port.name.port),
                        "protocol": .string(port.name.proto.text), "family": .string(port.name.family.name),
                        "fronts": .array(port.fronts.map(Self.describe)),
                        "affinitySeconds": port.affinitySeconds.map { .int(Int64($0)) } ?? .null,
                        "endpoints": .array(
                            all.map { backend in
                                let count = served?[port.name.family].map { served in
                                    port.ids.reduce(0) { $0 + (served[.init(id: $1, backend: backend)] ?? 0) }
                                }
                                return [
                                    "address": .string(backend.description),
                                    "local": .bool(local.contains(backend.address)),
                                    "connections": count.map { .int(Int64($0)) } ?? .null,
                                ]
                            }),
                    ]
                }),
        ]
    }

    /// By family: marks of the two have nothing to do with each other.
    private func countConnections() -> [IPAddress.Family: [Conntrack.Served: Int]]? {
        guard let layout = rules.first?.layout, !conntracks.isEmpty else { return nil }
        do throws(KernelError) {
            var served: [IPAddress.Family: [Conntrack.Served: Int]] = [:]
            for conntrack in conntracks { served[conntrack.family] = try conntrack.served(layout) }
            return served
        } catch {
            log.debug("cannot count connections", metadata: ["err": "\(error)"])
            return nil
        }
    }

    private static func describe(_ front: Front) -> JSON {
        [
            "place": .string(front.key.description), "external": .bool(front.isExternal), "local": .bool(front.isLocal),
            "masquerades": .bool(front.masquerades),
            "sources": front.sources.map { .array($0.map { .string($0.description) }) } ?? .null,
        ]
    }
}
