import KubeAPI

/// The rules of `metadata` that hold for every kind.
enum MetadataRules {
    /// All annotations of an object together, in bytes.
    static let maxAnnotationsBytes = 256 << 10

    /// Sets what the server decides about a new object.
    static func prepareForCreate(_ object: inout JSON, tracksGeneration: Bool) {
        var metadata = object["metadata"]
        metadata["uid"] = .string(ObjectUID.random())
        metadata["creationTimestamp"] = .string(Timestamp.now().rfc3339)
        metadata["generation"] = tracksGeneration ? 1 : .null
        for name in ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            metadata[name] = .null
        }
        object["metadata"] = metadata
    }

    /// Restores what an update can't change. A client that names another uid means another object.
    static func prepareForUpdate(_ object: inout JSON, old: JSON) {
        var metadata = object["metadata"]
        let before = old["metadata"]
        for name in [
            "uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName",
        ] {
            metadata[name] = before[name]
        }
        for name in ["resourceVersion", "selfLink"] { metadata[name] = .null }
        object["metadata"] = metadata
    }

    static func validate(_ object: JSON, nameRule: NameRule, isNamespaced: Bool) -> [FieldError] {
        var errors: [FieldError] = []
        let metadata = object["metadata"]
        let name = metadata["name"].stringValue
        if name.isEmpty {
            errors.append(.required("metadata.name", "name or generateName is required"))
        } else {
            errors += nameRule.failures(name).map { .invalid("metadata.name", .string(name), $0) }
        }
        if let prefix = metadata["generateName"].string, !prefix.isEmpty {
            errors += nameRule.prefixFailures(prefix).map { .invalid("metadata.generateName", .string(prefix), $0) }
        }
        if isNamespaced {
            let namespace = metadata["namespace"].stringValue
            if namespace.isEmpty {
                errors.append(.required("metadata.namespace"))
            } else {
                errors += NameValidation.dns1123Label(namespace).map {
                    .invalid("metadata.namespace", .string(namespace), $0)
                }
            }
        } else if !metadata["namespace"].stringValue.isEmpty {
            errors.append(.forbidden("metadata.namespace", "not allowed on this type"))
        }
        errors += labels(metadata["labels"], "metadata.labels")
        errors += annotations(metadata["annotations"], "metadata.annotations")
        for (index, finalizer) in metadata["finalizers"].items.enumerated() {
            let text = finalizer.stringValue
            errors += NameValidation.qualifiedName(text).map {
                .invalid("metadata.finalizers[\(index)]", .string(text), $0)
            }
        }
        errors += owners(metadata["ownerReferences"])
        return errors
    }

    static func validateUpdate(_ object: JSON, old: JSON) -> [FieldError] {
        // A dying object may lose finalizers, never gain them: else it would never end.
        guard old.isDeleting else { return [] }
        let before = Set(old.finalizers)
        let added = object.finalizers.filter { !before.contains($0) }
        if added.isEmpty { return [] }
        return [
            .forbidden(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{"
                    + added.map { "\"\($0)\"" }.joined(separator: ", ") + "}")
        ]
    }

    static func labels(_ labels: JSON, _ path: String) -> [FieldError] {
        guard let members = labels.object else { return [] }
        var errors: [FieldError] = []
        for (key, value) in members {
            errors += NameValidation.qualifiedName(key).map { .invalid(path, .string(key), $0) }
            let text = value.stringValue
            errors += NameValidation.labelValue(text).map { .invalid(path, .string(text), $0) }
        }
        return errors
    }

    static func annotations(_ annotations: JSON, _ path: String) -> [FieldError] {
        guard let members = annotations.object else { return [] }
        var errors: [FieldError] = []
        var sizeBytes = 0
        for (key, value) in members {
            sizeBytes += key.utf8.count + value.stringValue.utf8.count
            // Keys are compared without regard to case.
            errors += NameValidation.qualifiedName(key.lowercased()).map { .invalid(path, .string(key), $0) }
        }
        if sizeBytes > maxAnnotationsBytes { errors.append(.tooLong(path, limitBytes: maxAnnotationsBytes)) }
        return errors
    }

    private static func owners(_ owners: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        var controllers = 0
        for (index, owner) in owners.items.enumerated() {
            let path = "metadata.ownerReferences[\(index)]"
            for name in ["apiVersion", "kind", "name", "uid"] where owner[name].stringValue.isEmpty {
                let what = name == "apiVersion" ? "version" : name
                errors.append(.invalid("\(path).\(name)", "", "\(what) must not be empty"))
            }
            if owner["controller"].bool == true { controllers += 1 }
        }
        if controllers > 1 {
            errors.append(
                .invalid(
                    "metadata.ownerReferences", owners,
                    "Only one reference can have Controller set to true. Found \"true\" in references for several owners"
                ))
        }
        return errors
    }
}
