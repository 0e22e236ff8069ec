import KubeAPI

/// Services: their fields depend on their type, their addresses and node ports come from an allocator.
struct ServiceStrategy: Strategy {
    let allocator: ServiceAllocator

    var nameRule: NameRule { .label1035 }
    var returnsDeleted: Bool { true }
    var allowsCreateOnUpdate: Bool { true }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        object["status"] = .emptyObject
        let fields = ServiceFields(object)
        // Older clients know the one address only.
        if !fields.clusterIP.isEmpty, fields.clusterIPs.isEmpty {
            object["spec"]["clusterIPs"] = JSON([fields.clusterIP])
        }
    }

    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        keepOtherHalf(&object, old: old, context)
        guard context.subresource.isEmpty else { return }
        Self.keepAllocated(&object, old: old)
        Self.alignAddresses(&object, old: old)
        Self.dropUnused(&object, old: old)
    }

    func validate(_ object: JSON) -> [FieldError] { ServiceValidation.service(object) }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        subresource == "status"
            ? ServiceValidation.status(object)
            : ServiceUpdateValidation.errors(ServiceFields(object), ServiceFields(old))
    }

    func reserve(_ object: inout JSON, old: JSON?, _ context: WriteContext) throws(StatusError) -> Reservation? {
        try ServiceReservation.make(allocator, &object, old: old)
    }

    func release(_ object: JSON) { allocator.release(object) }

    var adoptsStored: Bool { true }

    func adopt(_ object: JSON) { allocator.adopt(object) }
    func observe(_ object: JSON?, replacing old: JSON?) { allocator.observe(object, replacing: old) }

    // MARK: updates

    /// Who replaces a service without naming what was allocated keeps it.
    private static func keepAllocated(_ object: inout JSON, old: JSON) {
        let new = ServiceFields(object)
        let before = ServiceFields(old)
        if !before.isExternalName, !new.isExternalName {
            if new.clusterIP.isEmpty { object["spec"]["clusterIP"] = old["spec"]["clusterIP"] }
            if new.clusterIPs.isEmpty { object["spec"]["clusterIPs"] = old["spec"]["clusterIPs"] }
        }
        if before.usesNodePorts, new.usesNodePorts {
            let byName = Dictionary(
                before.ports.map { ($0["name"].stringValue, $0["nodePort"]) }, uniquingKeysWith: { first, _ in first })
            for (index, port) in new.ports.enumerated() where (port["nodePort"].int ?? 0) == 0 {
                object["spec"]["ports"][index]["nodePort"] = byName[port["name"].stringValue] ?? .null
            }
        }
        if before.needsHealthCheck, new.needsHealthCheck, new.healthCheckNodePort == 0 {
            object["spec"]["healthCheckNodePort"] = old["spec"]["healthCheckNodePort"]
        }
    }

    /// `clusterIP` and `clusterIPs` say the same; a client that changed one of them means both.
    private static func alignAddresses(_ object: inout JSON, old: JSON) {
        let new = ServiceFields(object)
        let before = ServiceFields(old)
        if new.clusterIP == before.clusterIP {
            if new.clusterIPs.isEmpty { object["spec"]["clusterIPs"] = old["spec"]["clusterIPs"] }
        } else if new.clusterIPs == before.clusterIPs {
            object["spec"]["clusterIPs"] = new.clusterIP.isEmpty ? .null : JSON([new.clusterIP])
        }
    }

    /// Fields that the new type does not know go, if the client did not touch them: else they are its mistake.
    private static func dropUnused(_ object: inout JSON, old: JSON) {
        let new = ServiceFields(object)
        let before = ServiceFields(old)
        func dropIfSame(_ field: String) {
            if object["spec"][field] == old["spec"][field] { object["spec"][field] = .null }
        }
        if !before.isExternalName, new.isExternalName {
            if new.clusterIP == before.clusterIP, new.clusterIPs == before.clusterIPs {
                object["spec"]["clusterIP"] = .null
                object["spec"]["clusterIPs"] = .null
            }
            dropIfSame("ipFamilies")
            dropIfSame("ipFamilyPolicy")
        }
        if before.usesNodePorts, !new.usesNodePorts, Set(new.nodePorts).isSubset(of: before.nodePorts) {
            for index in new.ports.indices { object["spec"]["ports"][index]["nodePort"] = .null }
        }
        if before.needsHealthCheck, !new.needsHealthCheck { dropIfSame("healthCheckNodePort") }
        if before.isLoadBalancer, !new.isLoadBalancer {
            dropIfSame("allocateLoadBalancerNodePorts")
            dropIfSame("loadBalancerClass")
        }
        if before.isExternallyAccessible, !new.isExternallyAccessible { dropIfSame("externalTrafficPolicy") }
        if !new.isLoadBalancer { object["status"]["loadBalancer"] = .emptyObject }
    }
}
