import KubeAPI

/// Nodes: their kubelet makes them with a status; ranges and provider can't change once they are set.
struct NodeStrategy: Strategy {
    private let ranges = PodRanges()

    var adoptsStored: Bool { true }

    func adopt(_ object: JSON) { ranges.adopt(object) }

    func reserve(_ object: inout JSON, old: JSON?, _ context: WriteContext) throws(StatusError) -> Reservation? {
        let name = object.name
        let wanted = PodRanges.ranges(of: object)
        guard !wanted.isEmpty, old.map({ PodRanges.ranges(of: $0).isEmpty }) ?? true else { return nil }
        if let other = ranges.take(name, wanted) {
            throw .invalid(
                kind: "Node", name: name,
                [
                    .invalid(
                        "spec.podCIDRs", strings: wanted.map(\.description), "overlaps the range of node \"\(other)\"")
                ])
        }
        return Reservation(cancel: { [ranges] in ranges.release(name) }, commit: {})
    }

    func release(_ object: JSON) { ranges.release(object.name) }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        Self.alignRanges(&object)
        try KubeletLimits.check(node: object, old: .null, context)
        Self.taintUntilReady(&object)
    }

    /// A node that registers before it is ready gets no pods; the controller takes the taint away.
    private static func taintUntilReady(_ object: inout JSON) {
        let taint: JSON = ["key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"]
        guard !Node(object).isReady, !object["spec"]["taints"].items.contains(taint) else { return }
        object["spec"]["taints"].append(taint)
    }

    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        keepOtherHalf(&object, old: old, context)
        try KubeletLimits.check(node: object, old: old, context)
        guard context.subresource.isEmpty else { return }
        // A client that knows one of the two fields only means both.
        if object["spec"]["podCIDR"] != old["spec"]["podCIDR"], object["spec"]["podCIDRs"] == old["spec"]["podCIDRs"] {
            object["spec"]["podCIDRs"] = .null
        }
        Self.alignRanges(&object)
    }

    /// `podCIDR` is the first of `podCIDRs`.
    private static func alignRanges(_ object: inout JSON) {
        let first = object["spec"]["podCIDR"].stringValue
        let all = object["spec"]["podCIDRs"].items
        if all.isEmpty {
            if !first.isEmpty { object["spec"]["podCIDRs"] = JSON([first]) }
        } else if first.isEmpty {
            object["spec"]["podCIDR"] = all[0]
        } else if all[0].string != first {
            object["spec"]["podCIDRs"] = JSON([first])
        }
    }

    func validate(_ object: JSON) -> [FieldError] {
        Self.taints(object["spec"]["taints"]) + Self.resources(object["status"])
            + Self.ranges(object["spec"]["podCIDRs"])
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        var errors = subresource == "status" ? Self.resources(object["status"]) : []
        var seen: [JSON] = []
        for (index, address) in object["status"]["addresses"].items.enumerated() {
            if seen.contains(address) {
                errors.append(.duplicate("status.addresses[\(index)]", address))
            } else {
                seen.append(address)
            }
        }
        let before = old["spec"]["podCIDRs"].items
        if !before.isEmpty, object["spec"]["podCIDRs"].items != before {
            errors.append(
                .forbidden("spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid"))
        }
        let provider = old["spec"]["providerID"].stringValue
        if !provider.isEmpty, object["spec"]["providerID"].stringValue != provider {
            errors.append(
                .forbidden("spec.providerID", "node updates may not change providerID except from \"\" to valid"))
        }
        return errors
    }

    /// Kubernetes reports them as if they were metadata. Their effects are the schema's.
    private static func taints(_ taints: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        var seen: Set<String> = []
        for (index, taint) in taints.items.enumerated() {
            let path = "metadata.taints[\(index)]"
            let key = taint["key"].stringValue
            let value = taint["value"].stringValue
            let effect = taint["effect"].stringValue
            errors += NameValidation.qualifiedName(key).map { .invalid("\(path).key", .string(key), $0) }
            let failures = NameValidation.labelValue(value)
            if !failures.isEmpty {
                errors.append(.invalid("\(path).value", .string(value), failures.joined(separator: ";")))
            }
            if !seen.insert("\(effect)\u{1f}\(key)").inserted {
                let duplicate = FieldError.duplicate(path, taint)
                errors.append(
                    FieldError(
                        .duplicate, path, "\(duplicate.body): taints must be unique by key and effect pair"))
            }
        }
        return errors
    }

    private static func resources(_ status: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        for part in ["capacity", "allocatable"] {
            for (name, value) in status[part].object ?? JSONObject() {
                guard let quantity = Quantity(value), quantity.sign < 0 else { continue }
                errors.append(.invalid("status.\(part).\(name)", value, "must be greater than or equal to 0"))
            }
        }
        return errors
    }

    private static func ranges(_ ranges: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        let texts = ranges.items.map(\.stringValue)
        for (index, text) in texts.enumerated() {
            errors += NameValidation.cidr(text).map { .invalid("spec.podCIDRs[\(index)]", .string(text), $0) }
        }
        guard errors.isEmpty, texts.count > 1 else { return errors }
        let families = Set(texts.compactMap { CIDR($0)?.family })
        if families.count < texts.count {
            errors.append(
                .invalid("spec.podCIDRs", strings: texts, "may specify no more than one CIDR for each IP family"))
        }
        var seen: Set<String> = []
        for (index, text) in texts.enumerated() where !seen.insert(text).inserted {
            errors.append(.duplicate("spec.podCIDRs[\(index)]", .string(text)))
        }
        return errors
    }
}
