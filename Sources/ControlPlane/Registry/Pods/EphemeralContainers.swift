import KubeAPI

/// The rules of `pods/NAME/ephemeralcontainers`: containers are added to a pod, and that is all.
enum EphemeralContainers {
    static let subresource = "ephemeralcontainers"

    /// What a container must not have that is not the pod's from the beginning: the node has reserved nothing for it, and
    /// nobody waits for it.
    private static let disallowed = [
        "lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "ports", "resources", "resizePolicy",
        "restartPolicy", "restartPolicyRules",
    ]

    /// Nothing but the list is the client's to change.
    static func keepAllElse(_ object: inout JSON, old: JSON) {
        let list = object["spec"]["ephemeralContainers"]
        let version = object["metadata"]["resourceVersion"]
        object = old
        object["metadata"]["resourceVersion"] = version
        object["spec"]["ephemeralContainers"] = list
    }

    static func validateUpdate(_ object: JSON, old: JSON) -> [FieldError] {
        let path = "spec.ephemeralContainers"
        let new = object["spec"]["ephemeralContainers"].items
        return old["spec"]["ephemeralContainers"].items.compactMap { before in
            let name = before["name"].stringValue
            guard let after = new.first(where: { $0["name"] == before["name"] }) else {
                return .forbidden(path, "existing ephemeral containers \(GoText.quoted(name)) may not be removed\n")
            }
            guard after != before else { return nil }
            return .forbidden(path, "existing ephemeral containers \(GoText.quoted(name)) may not be changed\n")
        }
    }

    /// - Parameter names: of the pod's other containers.
    static func validate(
        _ spec: JSON, _ path: String, _ names: Set<String>, volumes: Set<String>, _ errors: inout [FieldError]
    ) {
        var taken = names
        let targets = Set(spec["containers"].items.map { $0["name"].stringValue })
        for (index, container) in spec["ephemeralContainers"].items.enumerated() {
            let path = "\(path)[\(index)]"
            let name = container["name"].stringValue
            if !name.isEmpty, !taken.insert(name).inserted {
                errors.append(.duplicate("\(path).name", .string(name)))
            }
            ContainerValidation.container(container, path, volumes: volumes, isHostNetwork: false, &errors)
            if let target = container["targetContainerName"].string, !target.isEmpty, !targets.contains(target) {
                errors.append(
                    FieldError(
                        .notFound, "\(path).targetContainerName", "Not found: \(GoText.quoted(target))"))
            }
            for field in disallowed where !isEmpty(container[field]) {
                errors.append(.forbidden("\(path).\(field)", "cannot be set for an Ephemeral Container"))
            }
            for (position, mount) in container["volumeMounts"].items.enumerated() {
                for field in ["subPath", "subPathExpr"] where !mount[field].stringValue.isEmpty {
                    errors.append(
                        .forbidden(
                            "\(path).volumeMounts[\(position)].\(field)", "cannot be set for an Ephemeral Container"))
                }
            }
        }
    }

    private static func isEmpty(_ value: JSON) -> Bool {
        value.isNull || value.isObject && value.object?.count == 0
            || value.items.isEmpty && value.object == nil
                && value.string == nil && value.int == nil
    }
}
