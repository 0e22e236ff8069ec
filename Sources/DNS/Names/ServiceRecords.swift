import KubeAPI

/// What a cluster's DNS says of a service, by Kubernetes' own specification (kubernetes/dns, docs/specification.md).
struct ServiceRecords {
    /// `cluster.local`.
    let domain: DNSName

    /// `svc.cluster.local`; nil for a domain that leaves no room for it.
    private var services: DNSName? { domain.adding("svc") }

    func namespace(_ name: String) -> [(DNSName, ZoneRecord)] {
        [services, domain.adding("pod")].compactMap { $0?.adding(name) }.map { ($0, .existence) }
    }

    /// A service's records with those of its endpoints, which matter where it is headless.
    func service(_ service: Service, _ endpoints: [ServiceEndpoint]) -> [(DNSName, ZoneRecord)] {
        guard let name = services?.adding(service.namespace)?.adding(service.name) else { return [] }
        if service.isExternalName {
            return DNSName(service.spec["externalName"].stringValue).map { [(name, .alias($0))] } ?? []
        }
        return [(name, .existence)] + (service.isHeadless ? headless(name, endpoints) : virtual(name, service))
    }

    private func virtual(_ name: DNSName, _ service: Service) -> [(DNSName, ZoneRecord)] {
        let addresses = service.clusterIPs.compactMap(IPAddress.init)
        var records: [(DNSName, ZoneRecord)] = []
        for address in addresses {
            records.append((name, .address(address)))
            records.append((DNSName(reverse: address), .pointer(name)))
        }
        let glue = addresses.map { ZoneRecord.Glue(name: name, address: $0) }
        for port in service.ports where !port.name.isEmpty {
            guard let owner = portName(port.name, port.proto, name) else { continue }
            records.append((owner, server(weight: 100, port.port, name, glue)))
        }
        return records
    }

    private func headless(_ name: DNSName, _ endpoints: [ServiceEndpoint]) -> [(DNSName, ZoneRecord)] {
        var records: [(DNSName, ZoneRecord)] = []
        var counts: [String: Int] = [:]
        for endpoint in endpoints {
            for port in endpoint.ports { counts[port.name + "/" + port.proto, default: 0] += 1 }
        }
        for endpoint in endpoints {
            records.append((name, .address(endpoint.address)))
            guard let own = name.adding(endpoint.label) else { continue }
            records.append((own, .address(endpoint.address)))
            records.append((DNSName(reverse: endpoint.address), .pointer(own)))
            for port in endpoint.ports where !port.name.isEmpty {
                guard let owner = portName(port.name, port.proto, name) else { continue }
                let weight = max(1, 100 / (counts[port.name + "/" + port.proto] ?? 1))
                let glue = [ZoneRecord.Glue(name: own, address: endpoint.address)]
                records.append((owner, server(weight: weight, port.number, own, glue)))
            }
        }
        return records
    }

    /// `_http._tcp.web.default.svc.cluster.local`
    private func portName(_ port: String, _ proto: String, _ service: DNSName) -> DNSName? {
        service.adding("_\(proto.lowercased())")?.adding("_\(port)")
    }

    private func server(weight: Int, _ port: Int, _ target: DNSName, _ glue: [ZoneRecord.Glue]) -> ZoneRecord {
        ZoneRecord(
            type: RecordType.srv,
            content: RecordBytes.service(weight: UInt16(weight), port: UInt16(clamping: port), target: target),
            glue: glue)
    }

    /// What the zone says of itself: its authority, its server at that address, the version of the specification.
    func apex(server address: IPAddress) -> [(DNSName, ZoneRecord)] {
        guard let authority = ZoneAuthority(domain), let version = domain.adding("dns-version") else { return [] }
        return [
            (domain, ZoneRecord(type: RecordType.soa, content: authority.content)),
            (
                domain,
                ZoneRecord(
                    type: RecordType.ns, content: authority.server.wire,
                    glue: [.init(name: authority.server, address: address)])
            ),
            (authority.server, .address(address)),
            (version, ZoneRecord(type: RecordType.txt, content: RecordBytes.text("1.1.0"))),
        ] + [domain.adding("svc"), domain.adding("pod")].compactMap(\.self).map { ($0, .existence) }
    }
}

/// The start of authority of a zone: what a client needs to remember that a name is not.
struct ZoneAuthority {
    let zone: DNSName
    /// `ns.dns.cluster.local`
    let server: DNSName
    let content: [UInt8]

    /// Nil for a domain that is too long for names below it.
    init?(_ domain: DNSName) {
        guard let server = domain.adding("dns")?.adding("ns"), let mailbox = domain.adding("hostmaster") else {
            return nil
        }
        zone = domain
        self.server = server
        // Nobody transfers the zone: its serial number says nothing.
        content = RecordBytes.authority(
            of: domain, server: server, mailbox: mailbox, serial: 1, ttl: ClusterZone.ttl)
    }

    var record: [UInt8] { RecordBytes.record(zone.wire, RecordType.soa, ttl: ClusterZone.ttl, content) }
}
