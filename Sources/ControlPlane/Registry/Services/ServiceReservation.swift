import KubeAPI

/// What one write of a service takes and gives back.
///
/// At creation everything that the service needs; at an update what is new to it, while what it no longer has is given
/// back only once the update is stored.
struct ServiceReservation {
    private let allocator: ServiceAllocator
    private var takenAddresses: [String] = []
    private var takenPorts: [Int] = []
    private var freedAddresses: [String] = []
    private var freedPorts: [Int] = []

    /// Writes addresses and ports into the service. Throws without having taken anything.
    static func make(_ allocator: ServiceAllocator, _ service: inout JSON, old: JSON?) throws(StatusError)
        -> Reservation
    {
        try ServiceFamilies.assign(&service, old: old, families: allocator.families)
        var reservation = ServiceReservation(allocator: allocator)
        do {
            try reservation.addresses(&service, old: old)
            if let old {
                try reservation.updatePorts(&service, old: old)
            } else {
                try reservation.createPorts(&service)
            }
            try reservation.healthCheckPort(&service, old: old)
        } catch {
            allocator.release(addresses: reservation.takenAddresses, ports: reservation.takenPorts)
            throw error
        }
        let made = reservation
        return Reservation(
            cancel: { allocator.release(addresses: made.takenAddresses, ports: made.takenPorts) },
            commit: { allocator.release(addresses: made.freedAddresses, ports: made.freedPorts) })
    }

    private init(allocator: ServiceAllocator) { self.allocator = allocator }

    // MARK: addresses

    private mutating func addresses(_ service: inout JSON, old: JSON?) throws(StatusError) {
        let fields = ServiceFields(service)
        if let before = old.map(ServiceFields.init), !before.isExternalName {
            return try updateAddresses(&service, fields, before)
        }
        guard !fields.isExternalName, !fields.isHeadless else { return }
        var given: [String] = []
        for (index, family) in fields.ipFamilies.enumerated() {
            let wanted = index < fields.clusterIPs.count ? fields.clusterIPs[index] : ""
            given.append(try takeAddress(wanted, family, service))
        }
        service["spec"]["clusterIP"] = JSON(given.first)
        service["spec"]["clusterIPs"] = JSON(given)
    }

    /// The first address of a service stays its own; a second one comes and goes with its family. A service that becomes
    /// an external name gives back what it has.
    private mutating func updateAddresses(
        _ service: inout JSON, _ fields: ServiceFields, _ before: ServiceFields
    ) throws(StatusError) {
        if fields.isExternalName {
            freedAddresses = before.virtualAddresses
            return
        }
        guard !before.isHeadless else { return }
        if before.ipFamilies.count == 1, fields.ipFamilies.count == 2, let first = before.clusterIPs.first {
            let wanted = fields.clusterIPs.count > 1 ? fields.clusterIPs[1] : ""
            let second = try takeAddress(wanted, fields.ipFamilies[1], service)
            service["spec"]["clusterIPs"] = JSON([fields.clusterIPs.first ?? first, second])
        } else if before.ipFamilies.count == 2, fields.ipFamilies.count == 1, before.clusterIPs.count == 2 {
            freedAddresses = [before.clusterIPs[1]]
            service["spec"]["clusterIPs"] = JSON(Array(fields.clusterIPs.prefix(1)))
        }
    }

    /// The wanted address, or any of that family where none is.
    private mutating func takeAddress(_ wanted: String, _ family: String, _ service: JSON) throws(StatusError) -> String
    {
        if wanted.isEmpty {
            do throws(ServiceAllocator.Refusal) {
                let address = try allocator.takeAnyAddress(family: family).description
                takenAddresses.append(address)
                return address
            } catch {
                throw .internalError("failed to allocate a serviceIP: \(error)")
            }
        }
        guard let address = IPAddress(wanted) else {
            throw .internalError("failed to parse service IP \"\(wanted)\"")
        }
        let isKubernetes = service.namespace == "default" && service.name == "kubernetes"
        do throws(ServiceAllocator.Refusal) {
            try allocator.takeAddress(address, isKubernetes: isKubernetes)
        } catch {
            throw invalid(
                service,
                .invalid(
                    "spec.clusterIPs", strings: ServiceFields(service).clusterIPs,
                    "failed to allocate IP \(wanted): \(error)"))
        }
        takenAddresses.append(wanted)
        return wanted
    }

    // MARK: node ports

    /// Ports of the same number and different protocols share their node port.
    private mutating func createPorts(_ service: inout JSON) throws(StatusError) {
        let fields = ServiceFields(service)
        guard fields.usesNodePorts else { return }
        var byPort: [Int: Int] = [:]
        for (index, port) in fields.ports.enumerated() {
            let asked = port["nodePort"].int ?? 0
            if asked == 0, !fields.allocatesNodePorts { continue }
            let number = port["port"].int ?? 0
            if let shared = byPort[number] {
                if asked == 0 {
                    service["spec"]["ports"][index]["nodePort"] = .int(Int64(shared))
                } else if asked != shared {
                    try take(asked, index, service)
                }
                continue
            }
            // A later port of the same number may say which one it is to be.
            let wanted = fields.ports.first { $0["port"].int == number && ($0["nodePort"].int ?? 0) != 0 }
            let nodePort: Int
            if let wanted = wanted?["nodePort"].int {
                try take(wanted, index, service)
                nodePort = wanted
            } else {
                nodePort = try takeAny()
            }
            byPort[number] = nodePort
            service["spec"]["ports"][index]["nodePort"] = .int(Int64(nodePort))
        }
    }

    private mutating func updatePorts(_ service: inout JSON, old: JSON) throws(StatusError) {
        let fields = ServiceFields(service)
        let before = ServiceFields(old)
        let owned = Set(before.usesNodePorts ? before.nodePorts : [])
        if fields.usesNodePorts {
            for (index, port) in fields.ports.enumerated() {
                let asked = port["nodePort"].int ?? 0
                if asked == 0 {
                    guard fields.allocatesNodePorts else { continue }
                    service["spec"]["ports"][index]["nodePort"] = .int(Int64(try takeAny()))
                } else if !owned.contains(asked), !takenPorts.contains(asked) {
                    try take(asked, index, service)
                }
            }
        }
        let kept = fields.usesNodePorts ? Set(ServiceFields(service).nodePorts) : []
        freedPorts += owned.subtracting(kept).sorted()
    }

    private mutating func healthCheckPort(_ service: inout JSON, old: JSON?) throws(StatusError) {
        let fields = ServiceFields(service)
        let before = old.map(ServiceFields.init)
        let hadOne = before?.needsHealthCheck ?? false
        if hadOne, !fields.needsHealthCheck, let port = before?.healthCheckNodePort, port != 0 {
            freedPorts.append(port)
        }
        guard fields.needsHealthCheck, !hadOne else { return }
        let asked = fields.healthCheckNodePort
        guard asked != 0 else {
            service["spec"]["healthCheckNodePort"] = .int(Int64(try takeAny()))
            return
        }
        do throws(ServiceAllocator.Refusal) {
            try allocator.takePort(asked)
        } catch {
            throw .internalError("failed to allocate requested HealthCheck NodePort \(asked): \(error)")
        }
        takenPorts.append(asked)
    }

    private mutating func take(_ port: Int, _ index: Int, _ service: JSON) throws(StatusError) {
        do throws(ServiceAllocator.Refusal) {
            try allocator.takePort(port)
        } catch {
            throw invalid(
                service, .invalid("spec.ports[\(index)].nodePort", .int(Int64(port)), error.description))
        }
        takenPorts.append(port)
    }

    private mutating func takeAny() throws(StatusError) -> Int {
        do throws(ServiceAllocator.Refusal) {
            let port = try allocator.takeAnyPort()
            takenPorts.append(port)
            return port
        } catch {
            throw .internalError("failed to allocate a nodePort: \(error)")
        }
    }

    private func invalid(_ service: JSON, _ error: FieldError) -> StatusError {
        .invalid(kind: "Service", name: service.name, [error])
    }
}
