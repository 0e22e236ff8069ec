import KubeAPI

/// The host ports of the node's pods, in the form of services: each has one backend, the pod.
struct HostPorts {
    private let families: [IPAddress.Family]
    private var pods: [String: [ServicePortState]] = [:]
    private var dirty: Set<String> = []

    init(families: [IPAddress.Family] = [.ipv4]) { self.families = families }

    var hasChanges: Bool { !dirty.isEmpty }

    mutating func set(pod json: JSON) {
        let pod = Pod(json)
        let ports = families.flatMap { Self.ports(of: pod, $0) }
        guard pods[pod.key] ?? [] != ports else { return }
        pods[pod.key] = ports.isEmpty ? nil : ports
        dirty.insert(pod.key)
    }

    mutating func remove(pod key: String) {
        if pods.removeValue(forKey: key) != nil { dirty.insert(key) }
    }

    /// Makes these all pods that there are.
    mutating func replace(_ all: [JSON]) {
        let keys = Set(all.map(\.objectKey))
        for key in pods.keys where !keys.contains(key) { remove(pod: key) }
        for pod in all { set(pod: pod) }
    }

    /// The pods that have changed since the last call, sorted.
    mutating func takeChanges() -> [ServiceChange] {
        guard !dirty.isEmpty else { return [] }
        defer { dirty = [] }
        return dirty.sorted().map { ServiceChange(service: Self.name($0), ports: pods[$0] ?? []) }
    }

    private static func name(_ key: String) -> String { "hostport:\(key)" }

    /// A pod on the host's network has its ports there already.
    private static func ports(of pod: Pod, _ family: IPAddress.Family) -> [ServicePortState] {
        guard !pod.hostNetwork, !pod.isTerminal else { return [] }
        let addresses = pod.podIPs.compactMap { IPAddress($0) }.filter { $0.family == family }
        guard !addresses.isEmpty else { return [] }
        var states: [ServicePortState] = []
        for container in pod.containers + pod.initContainers.filter(\.isSidecar) {
            for port in container.ports {
                guard let host = port["hostPort"].int.flatMap(UInt16.init(exactly:)), host > 0,
                    let inner = port["containerPort"].int.flatMap(UInt16.init(exactly:)), inner > 0,
                    let proto = TransportProtocol(field: port["protocol"].string ?? "TCP")
                else { continue }
                let wanted = IPAddress(port["hostIP"].stringValue)
                guard wanted?.family ?? family == family else { continue }
                let given = wanted.flatMap { $0.isUnspecified ? nil : $0 }
                let place = given.map { Front.Place.address($0, host) } ?? .hostPort(host)
                let label = given.map { "\($0):\(host)" } ?? String(host)
                states.append(
                    ServicePortState(
                        name: ServicePortName(service: name(pod.key), port: label, proto: proto, family: family),
                        // The pod's answers pass this node: clients keep their address.
                        fronts: [Front(place, proto, isExternal: false, masquerades: false)],
                        backends: addresses.sorted().map { Backend(address: $0, port: inner) },
                        localAddresses: addresses.sorted()))
            }
        }
        return states
    }
}
