import KubeAPI

/// An address behind a headless service.
struct ServiceEndpoint: Sendable, Hashable {
    struct Port: Sendable, Hashable {
        let name: String
        /// `TCP`, `UDP` or `SCTP`.
        let proto: String
        let number: Int
    }

    let address: IPAddress
    let hostname: String
    let ports: [Port]

    /// The name below the service's: the host's name, else the address with dashes.
    var label: String {
        guard hostname.isEmpty else { return hostname }
        return String("\(address)".map { $0 == "." || $0 == ":" ? "-" : $0 })
    }
}

/// Services and their slices as watched, and the records that follow from them.
struct ServiceBook: Sendable {
    private let records: ServiceRecords
    private var services: [String: Service] = [:]
    /// By service, then by the slice's key.
    private var slices: [String: [String: [ServiceEndpoint]]] = [:]
    private var serviceOfSlice: [String: String] = [:]

    init(domain: DNSName) { records = ServiceRecords(domain: domain) }

    /// What is to be said of a namespace.
    func records(namespace: String) -> [(DNSName, ZoneRecord)] { records.namespace(namespace) }

    func apex(server: IPAddress) -> [(DNSName, ZoneRecord)] { records.apex(server: server) }

    /// Takes in a service; its key and records.
    mutating func set(service: JSON) -> (String, [(DNSName, ZoneRecord)]) {
        let view = Service(service)
        let key = service.objectKey
        services[key] = view
        return (key, records(of: key))
    }

    mutating func remove(service: JSON) -> String {
        services[service.objectKey] = nil
        return service.objectKey
    }

    /// Takes in a slice; the keys of services whose records may have changed, with these.
    mutating func set(slice: JSON) -> [(String, [(DNSName, ZoneRecord)])] {
        let view = EndpointSlice(slice)
        let key = slice.objectKey
        let service = view.serviceName.map { "\(view.namespace)/\($0)" }
        var touched: Set<String> = []
        if let old = serviceOfSlice[key], old != service {
            forget(key, old)
            touched.insert(old)
        }
        if let service {
            serviceOfSlice[key] = service
            slices[service, default: [:]][key] = Self.endpoints(view)
            touched.insert(service)
        }
        return touched.filter(isHeadless).map { ($0, records(of: $0)) }
    }

    mutating func remove(slice: JSON) -> [(String, [(DNSName, ZoneRecord)])] {
        guard let service = serviceOfSlice[slice.objectKey] else { return [] }
        forget(slice.objectKey, service)
        return isHeadless(service) ? [(service, records(of: service))] : []
    }

    private mutating func forget(_ slice: String, _ service: String) {
        serviceOfSlice[slice] = nil
        slices[service]?[slice] = nil
        if slices[service]?.isEmpty == true { slices[service] = nil }
    }

    private func isHeadless(_ key: String) -> Bool { services[key]?.isHeadless ?? false }

    private func records(of key: String) -> [(DNSName, ZoneRecord)] {
        guard let service = services[key] else { return [] }
        guard service.isHeadless else { return records.service(service, []) }
        let all = slices[key] ?? [:]
        var seen: Set<ServiceEndpoint> = []
        let endpoints = all.keys.sorted().flatMap { all[$0] ?? [] }.filter { seen.insert($0).inserted }
        return records.service(service, endpoints)
    }

    /// Those that are to be found: ready, which publishNotReadyAddresses makes all.
    private static func endpoints(_ slice: EndpointSlice) -> [ServiceEndpoint] {
        let ports = slice.ports.compactMap { port -> ServiceEndpoint.Port? in
            guard let number = port["port"].int else { return nil }
            return .init(name: port["name"].stringValue, proto: port["protocol"].string ?? "TCP", number: number)
        }
        return slice.endpoints.filter(\.isReady).flatMap { endpoint in
            endpoint.addresses.compactMap(IPAddress.init).map {
                ServiceEndpoint(address: $0, hostname: endpoint.json["hostname"].stringValue, ports: ports)
            }
        }
    }
}
