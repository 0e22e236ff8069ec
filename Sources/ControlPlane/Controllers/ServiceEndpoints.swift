import KubeAPI

/// Which addresses a service has, computed from its pods: what both Endpoints and EndpointSlices are made of.
enum ServiceEndpoints {
    struct Port: Hashable, Sendable {
        let name: String
        let port: Int
        let proto: String
        let appProtocol: String?
    }

    /// Endpoints with equal ports.
    struct Group: Sendable {
        let ports: [Port]
        var endpoints: [JSON] = []
    }

    /// The pods that a service selects, that have an address and have not ended.
    static func pods(of service: Service, among pods: [JSON]) -> [Pod] {
        guard let selector = service.selector else { return [] }
        return pods.compactMap { object in
            let labels = object["metadata"]["labels"]
            guard selector.allSatisfy({ labels[$0.key].string == $0.value }) else { return nil }
            let pod = Pod(object)
            return pod.isTerminal || pod.podIP == nil ? nil : pod
        }
    }

    /// The ports as the pod has them: named target ports are looked up in its containers; a port that the pod does not
    /// have is left out.
    static func ports(_ service: Service, _ pod: Pod) -> [Port] {
        service.ports.compactMap { port in
            guard let number = number(port, pod) else { return nil }
            return Port(name: port.name, port: number, proto: port.proto, appProtocol: port.json["appProtocol"].string)
        }
    }

    private static func number(_ port: ServicePort, _ pod: Pod) -> Int? {
        if let number = port.targetPort.int { return number == 0 ? port.port : number }
        guard let name = port.targetPort.string, !name.isEmpty else { return port.port }
        for container in pod.containers + pod.initContainers.filter(\.isSidecar) {
            for candidate in container.ports
            where candidate["name"].string == name && (candidate["protocol"].string ?? "TCP") == port.proto {
                return candidate["containerPort"].int
            }
        }
        return nil
    }

    /// Endpoints of the discovery API, grouped by ports, in a stable order. `family` is `IPv4` or `IPv6`; `zone` is
    /// where a node is.
    static func groups(
        _ service: Service, _ pods: [Pod], family: String, zone: (String) -> String? = { _ in nil }
    ) -> [Group] {
        var groups: [[Port]: Group] = [:]
        for pod in pods.sorted(by: { $0.name < $1.name }) {
            guard let address = pod.podIPs.first(where: { $0.contains(":") == (family == "IPv6") }) else { continue }
            let ports = ports(service, pod)
            groups[ports, default: Group(ports: ports)].endpoints.append(
                endpoint(service, pod, address, zone: zone(pod.nodeName)))
        }
        return groups.values.sorted { "\($0.ports)" < "\($1.ports)" }
    }

    private static func endpoint(_ service: Service, _ pod: Pod, _ address: String, zone: String?) -> JSON {
        let isReady = pod.isReady
        var endpoint: JSON = [
            "addresses": [.string(address)],
            "conditions": [
                // A pod that is ending is never ready, unless the service asks for such pods too.
                "ready": .bool(service.publishNotReadyAddresses || (isReady && !pod.isDeleting)),
                "serving": .bool(isReady),
                "terminating": .bool(pod.isDeleting),
            ],
        ]
        if let hostname = pod.spec["hostname"].string, !hostname.isEmpty, pod.spec["subdomain"].string == service.name {
            endpoint["hostname"] = .string(hostname)
        }
        endpoint["targetRef"] = [
            "kind": "Pod", "namespace": .string(pod.namespace), "name": .string(pod.name), "uid": .string(pod.uid),
        ]
        if !pod.nodeName.isEmpty { endpoint["nodeName"] = .string(pod.nodeName) }
        if let zone { endpoint["zone"] = .string(zone) }
        if endpoint["conditions"]["ready"].bool == true {
            endpoint["hints"] = hints(service.trafficDistribution, node: pod.nodeName, zone: zone)
        }
        return endpoint
    }

    /// For whose clients an endpoint is: those near it. Proxies use hints only where all endpoints have them.
    private static func hints(_ distribution: String?, node: String, zone: String?) -> JSON {
        guard let distribution else { return .null }
        var hints = JSON.emptyObject
        if let zone { hints["forZones"] = [["name": .string(zone)]] }
        if distribution == "PreferSameNode", !node.isEmpty { hints["forNodes"] = [["name": .string(node)]] }
        return hints == .emptyObject ? .null : hints
    }
}
