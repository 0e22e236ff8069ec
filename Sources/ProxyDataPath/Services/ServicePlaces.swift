import KubeAPI

/// Where a service is reached, whatever the port.
struct ServicePlaces {
    private let inside: [IPAddress]
    private let external: [IPAddress]
    private let balanced: [IPAddress]
    private let isInternalLocal: Bool
    private let isExternalLocal: Bool
    /// Clients that may come through a load balancer; nil: all.
    private let sources: [CIDR]?

    /// The places of one family.
    init(_ service: Service, _ family: IPAddress.Family) {
        func addresses(_ texts: [String]) -> [IPAddress] {
            texts.compactMap { IPAddress($0) }.filter { $0.family == family }
        }
        inside = addresses(service.clusterIPs)
        external = addresses(service.externalIPs)
        balanced = service.type == "LoadBalancer" ? addresses(service.loadBalancedIPs) : []
        isInternalLocal = service.isInternalTrafficLocal
        isExternalLocal = service.isExternalTrafficLocal
        let ranges = service.loadBalancerSourceRanges.compactMap { CIDR($0) }
        let isOpen = ranges.isEmpty || ranges.contains { $0.prefixLength == 0 }
        sources = service.type != "LoadBalancer" || isOpen ? nil : ranges
    }

    /// Where the service has no address of the family, it is not carried in it: node ports neither.
    var isEmpty: Bool { inside.isEmpty }

    /// The fronts of one port, each once.
    func fronts(_ port: ServicePort, _ proto: TransportProtocol, _ number: UInt16, masqueradesAll: Bool) -> [Front] {
        var fronts: [Front] = []
        func add(_ front: Front) { if !fronts.contains(where: { $0.key == front.key }) { fronts.append(front) } }
        for address in inside {
            add(
                Front(
                    .address(address, number), proto, isExternal: false, isLocal: isInternalLocal,
                    masquerades: !isInternalLocal || masqueradesAll))
        }
        func addExternal(_ place: Front.Place, sources: [CIDR]? = nil) {
            add(
                Front(
                    place, proto, isExternal: true, isLocal: isExternalLocal, masquerades: !isExternalLocal,
                    sources: sources))
        }
        for address in external { addExternal(.address(address, number)) }
        for address in balanced {
            // A range of the other family lets nobody in.
            addExternal(.address(address, number), sources: sources?.filter { $0.family == address.family })
        }
        if let nodePort = UInt16(exactly: port.nodePort), nodePort > 0 { addExternal(.nodePort(nodePort)) }
        return fronts
    }
}
