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
        return pods.lazy
            .filter { pod in
                guard pod.namespace == service.namespace else { return false }
                let labels = pod.labels
                return selector.allSatisfy { labels[$0.key] == $0.value }
            }
            .map(Pod.init)
            .filter { !$0.isTerminal && $0.podIP != nil && !$0.nodeName.isEmpty }
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

    static func isReady(_ pod: Pod, _ service: Service) -> Bool {
        service.publishNotReadyAddresses || (pod.isReady && !pod.isDeleting)
    }

    /// Endpoints of the discovery API, grouped by ports. `family` is `IPv4` or `IPv6`.
    static func groups(_ service: Service, _ pods: [Pod], family: String) -> [Group] {
        var groups: [[Port]: Group] = [:]
        for pod in pods {
            guard let address = pod.podIPs.first(where: { $0.contains(":") == (family == "IPv6") }) else { continue }
            let ports = ports(service, pod)
            if ports.isEmpty, !service.ports.isEmpty { continue }
            var endpoint: JSON = [
                "addresses": [.string(address)],
                "conditions": [
                    "ready": .bool(isReady(pod, service)),
                    "serving": .bool(pod.isReady || service.publishNotReadyAddresses),
                    "terminating": .bool(pod.isDeleting),
                ],
                "nodeName": .string(pod.nodeName),
                "targetRef": [
                    "kind": "Pod", "namespace": .string(pod.namespace), "name": .string(pod.name), "uid": .string(pod.uid),
                ],
            ]
            if let hostname = pod.spec["hostname"].string, pod.spec["subdomain"].string == service.name {
                endpoint["hostname"] = .string(hostname)
            }
            groups[ports, default: Group(ports: ports)].endpoints.append(endpoint)
        }
        return groups.values.sorted { "\($0.ports)" < "\($1.ports)" }
    }

    /// The newest of the moments that could have changed the endpoints: what network programming latency counts from.
    static func lastTrigger(_ service: Service, _ pods: [Pod]) -> String? {
        pods.compactMap { pod in pod.condition("Ready")?["lastTransitionTime"].string }.max()
    }
}
