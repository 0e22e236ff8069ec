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
    }

    private let nodeName: String
    private var services: [String: Entry] = [:]
    /// By service, then by slice.
    private var slices: [String: [String: EndpointPorts]] = [:]
    /// The service of each slice, which a slice may change.
    private var serviceOfSlice: [String: String] = [:]
    private var dirty: Set<String> = []

    init(nodeName: String) { self.nodeName = nodeName }

    var hasChanges: Bool { !dirty.isEmpty }
    /// All services that are carried, headless and external names left out.
    var serviceCount: Int { services.count }

    // MARK: input

    mutating func set(service json: JSON) {
        let service = Service(json)
        guard let entry = Self.entry(service) else { return remove(service: service.key) }
        services[service.key] = entry
        dirty.insert(service.key)
    }

    mutating func remove(service key: String) {
        if services.removeValue(forKey: key) != nil { dirty.insert(key) }
    }

    mutating func set(slice json: JSON) {
        let slice = EndpointSlice(json)
        let key = slice.key
        let owner = slice.serviceName.map { "\(slice.namespace)/\($0)" }
        if serviceOfSlice[key] != owner { remove(slice: key) }
        guard let owner else { return }
        let ports = EndpointPorts(slice, nodeName: nodeName)
        guard slices[owner]?[key] != ports else { return }
        slices[owner, default: [:]][key] = ports
        serviceOfSlice[key] = owner
        dirty.insert(owner)
    }

    mutating func remove(slice key: String) {
        guard let owner = serviceOfSlice.removeValue(forKey: key) else { return }
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
            let (backends, local) = slices.map { Self.backends(of: port.name, in: $0) } ?? ([], [])
            return ServicePortState(
                name: port.name, fronts: port.fronts, backends: backends, localAddresses: local,
                affinitySeconds: entry.affinitySeconds)
        }
    }

    // MARK: services

    private static func entry(_ service: Service) -> Entry? {
        guard !service.isHeadless, !service.isExternalName, !service.clusterIPs.isEmpty,
            service.labels[otherProxyLabel] == nil
        else { return nil }
        let ports = service.ports.compactMap { port -> Port? in
            guard let proto = TransportProtocol(field: port.proto), let number = UInt16(exactly: port.port), number > 0
            else { return nil }
            let name = ServicePortName(service: service.key, port: port.name, proto: proto)
            return Port(name: name, fronts: fronts(of: service, port, proto, number))
        }
        return Entry(ports: ports, affinitySeconds: service.affinitySeconds)
    }

    private static func fronts(
        of service: Service, _ port: ServicePort, _ proto: TransportProtocol, _ number: UInt16
    ) -> [Front] {
        var fronts: [Front] = []
        func add(_ place: Front.Place, isExternal: Bool) {
            let front = Front(place, proto, isExternal: isExternal)
            if !fronts.contains(where: { $0.key == front.key }) { fronts.append(front) }
        }
        for address in service.clusterIPs.compactMap({ IPAddress($0) }) {
            add(.address(address, number), isExternal: false)
        }
        for address in (service.externalIPs + service.loadBalancerIPs).compactMap({ IPAddress($0) }) {
            add(.address(address, number), isExternal: true)
        }
        if let nodePort = UInt16(exactly: port.nodePort), nodePort > 0 { add(.nodePort(nodePort), isExternal: true) }
        return fronts
    }

    // MARK: endpoints

    /// The ready endpoints; where there is none, those that still serve while they end. Sorted, each once.
    private static func backends(
        of name: ServicePortName, in slices: some Collection<EndpointPorts>
    ) -> (backends: [Backend], local: [IPAddress]) {
        var ready: [Backend] = []
        var ending: [Backend] = []
        var local: Set<IPAddress> = []
        for slice in slices {
            for port in slice.ports where port.name == name.port && port.proto == name.proto {
                for member in slice.members {
                    let backend = Backend(address: member.address, port: port.number)
                    if member.isReady {
                        ready.append(backend)
                    } else if member.isServing, member.isTerminating {
                        ending.append(backend)
                    } else {
                        continue
                    }
                    if member.isLocal { local.insert(member.address) }
                }
            }
        }
        var chosen = ready.isEmpty ? ending : ready
        chosen.sort()
        chosen.removeAdjacentDuplicates()
        guard !local.isEmpty else { return (chosen, []) }
        return (chosen, local.intersection(chosen.lazy.map(\.address)).sorted())
    }
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
