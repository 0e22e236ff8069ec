import KubeAPI

/// Services joined with their endpoint slices: says what every service port needs, and which services have changed
/// since it was last asked. Pure; it knows nothing of how services are carried.
struct ServiceMap {
    /// A label by which a service says that another proxy carries it.
    private static let otherProxyLabel = "service.kubernetes.io/service-proxy-name"

    private struct Port {
        let name: ServicePortName
        let fronts: [Front]
    }
    private struct Entry {
        let ports: [Port]
        let affinitySeconds: Int?
        /// Where load balancers ask whether this node has endpoints; nil where nobody asks.
        let healthCheckPort: UInt16?
    }

    private let nodeName: String
    private let families: [IPAddress.Family]
    /// Also connections to virtual addresses whose endpoints are all here get the node's address.
    private let masqueradesAll: Bool
    /// Where the node is; nil where its labels do not say.
    private var zone: String?
    private var services: [String: Entry] = [:]
    /// By service, then by slice.
    private var slices: [String: [String: EndpointPorts]] = [:]
    /// The service of each slice, which a slice may change.
    private var serviceOfSlice: [String: String] = [:]
    private var dirty: Set<String> = []
    private var localPods = LocalPods()
    private var withHealthChecks: Set<String> = []

    /// - Parameter families: of the addresses that are carried.
    init(nodeName: String, families: [IPAddress.Family] = [.ipv4], masqueradesAll: Bool = false) {
        self.nodeName = nodeName
        self.families = families
        self.masqueradesAll = masqueradesAll
    }

    var hasChanges: Bool { !dirty.isEmpty }
    /// All services that are carried, headless and external names left out.
    var serviceCount: Int { services.count }

    // MARK: input

    mutating func set(service json: JSON) {
        let service = Service(json)
        guard let entry = entry(service) else { return remove(service: service.key) }
        services[service.key] = entry
        if entry.healthCheckPort != nil {
            withHealthChecks.insert(service.key)
        } else {
            withHealthChecks.remove(service.key)
        }
        dirty.insert(service.key)
    }

    mutating func remove(service key: String) {
        guard services.removeValue(forKey: key) != nil else { return }
        withHealthChecks.remove(key)
        dirty.insert(key)
    }

    /// The node's zone, from its labels.
    mutating func set(zone: String?) {
        guard zone != self.zone else { return }
        self.zone = zone
        for (service, slices) in slices where slices.values.contains(where: \.hasHints) { dirty.insert(service) }
    }

    mutating func set(slice json: JSON) {
        let slice = EndpointSlice(json)
        let key = slice.key
        let owner = slice.serviceName.map { "\(slice.namespace)/\($0)" }
        if serviceOfSlice[key] != owner { remove(slice: key) }
        // One of a family that is not carried has been taken out above, if it was another before.
        guard let owner, families.contains(where: { $0.name == slice.addressType }) else { return remove(slice: key) }
        let ports = EndpointPorts(slice, nodeName: nodeName)
        let old = slices[owner]?[key]
        guard old != ports else { return }
        localPods.replace(old, by: ports)
        slices[owner, default: [:]][key] = ports
        serviceOfSlice[key] = owner
        dirty.insert(owner)
    }

    mutating func remove(slice key: String) {
        guard let owner = serviceOfSlice.removeValue(forKey: key) else { return }
        localPods.replace(slices[owner]?[key], by: nil)
        slices[owner]?[key] = nil
        if slices[owner]?.isEmpty == true { slices[owner] = nil }
        dirty.insert(owner)
    }

    // MARK: output

    /// The services that have changed since the last call, sorted.
    mutating func takeChanges() -> [ServiceChange] {
        guard !dirty.isEmpty else { return [] }
        defer { dirty = [] }
        return dirty.sorted().map { ServiceChange(service: $0, ports: ports(of: $0)) }
    }

    /// What is wanted for the ports of a service; nothing for one that is not carried.
    func ports(of service: String) -> [ServicePortState] {
        guard let entry = services[service] else { return [] }
        let slices = slices[service]?.values
        return entry.ports.map { port in
            let choice =
                slices.map { EndpointChoice(port.name, in: $0, nodeName: nodeName, zone: zone) } ?? EndpointChoice()
            let isLocal = port.fronts.contains(where: \.isLocal)
            return ServicePortState(
                name: port.name, fronts: port.fronts, backends: choice.backends,
                localBackends: isLocal ? choice.localBackends : [], hasEndpoints: isLocal && choice.hasEndpoints,
                localAddresses: isLocal ? choice.localBackends.uniqueAddresses : choice.localAddresses,
                affinitySeconds: entry.affinitySeconds)
        }
    }

    /// Whether new connections may go to a pod of this node.
    func standing(ofPod uid: String) -> LocalPods.Standing { localPods.standing(of: uid) }

    /// Service ports whose policy is local and that have endpoints, but none on this node.
    var localGaps: (internal: Int, external: Int) {
        var gaps = (internal: 0, external: 0)
        for (service, entry) in services where entry.ports.contains(where: { $0.fronts.contains(where: \.isLocal) }) {
            // Once for a service of both families.
            let family = entry.ports.first?.name.family
            for port in ports(of: service)
            where port.name.family == family && port.hasEndpoints && port.localBackends.isEmpty {
                if port.fronts.contains(where: { $0.isLocal && !$0.isExternal }) { gaps.internal += 1 }
                if port.fronts.contains(where: { $0.isLocal && $0.isExternal }) { gaps.external += 1 }
            }
        }
        return gaps
    }

    /// By port: the service whose load balancers ask there, and how many endpoints it has on this node.
    var healthChecks: [UInt16: HealthCheck] {
        var checks: [UInt16: HealthCheck] = [:]
        for service in withHealthChecks {
            guard let entry = services[service], let port = entry.healthCheckPort else { continue }
            checks[port] = HealthCheck(service: service, localEndpoints: localEndpoints(of: service))
        }
        return checks
    }

    private func localEndpoints(of service: String) -> Int {
        // A pod has an address of each family, and is counted once.
        var addresses: [IPAddress.Family: Set<IPAddress>] = [:]
        for slice in slices[service]?.values.map({ $0 }) ?? [] where !slice.ports.isEmpty {
            for member in slice.members where member.isLocal && member.isReady {
                addresses[slice.family, default: []].insert(member.address)
            }
        }
        return addresses.values.map(\.count).max() ?? 0
    }

    // MARK: services

    private func entry(_ service: Service) -> Entry? {
        guard !service.isHeadless, !service.isExternalName, !service.clusterIPs.isEmpty,
            service.labels[Self.otherProxyLabel] == nil
        else { return nil }
        let ports = families.flatMap { family -> [Port] in
            let places = ServicePlaces(service, family)
            guard !places.isEmpty else { return [] }
            return service.ports.compactMap { port in
                guard let proto = TransportProtocol(field: port.proto), let number = UInt16(exactly: port.port),
                    number > 0
                else { return nil }
                let name = ServicePortName(service: service.key, port: port.name, proto: proto, family: family)
                return Port(
                    name: name, fronts: places.fronts(port, proto, number, masqueradesAll: masqueradesAll))
            }
        }
        return Entry(
            ports: ports, affinitySeconds: service.affinitySeconds,
            healthCheckPort: service.isExternalTrafficLocal
                ? UInt16(exactly: service.healthCheckNodePort).flatMap { $0 > 0 ? $0 : nil } : nil)
    }
}

/// A service that load balancers ask about.
public struct HealthCheck: Sendable, Equatable {
    /// `namespace/name`
    public let service: String
    /// Ready endpoints on this node.
    public let localEndpoints: Int
}

extension Array where Element: Equatable {
    /// Of equal neighbours one stays.
    mutating func removeAdjacentDuplicates() {
        guard count > 1 else { return }
        var kept = 1
        for index in 1..<count where self[index] != self[kept - 1] {
            if index != kept { self[kept] = self[index] }
            kept += 1
        }
        removeLast(count - kept)
    }
}
