import KubeAPI

/// Namespaces: deleted in two steps. Their content goes first, then the finalizers in their spec.
struct NamespaceStrategy: Strategy {
    /// Without these the cluster would not work.
    private static let immortal: Set<String> = ["default", "kube-system", "kube-public"]
    private static let finalizer: JSON = "kubernetes"

    var nameRule: NameRule { .label }
    var returnsDeleted: Bool { true }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        object["status"] = ["phase": "Active"]
        // Not a default of the schema: it goes at the end of the namespace's life and must not come back.
        if !object["spec"]["finalizers"].items.contains(Self.finalizer) {
            object["spec"]["finalizers"].append(Self.finalizer)
        }
    }

    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        if context.subresource == "finalize" {
            object["status"] = old["status"]
            return
        }
        keepOtherHalf(&object, old: old, context)
        object["spec"]["finalizers"] = old["spec"]["finalizers"]
    }

    func validate(_ object: JSON) -> [FieldError] {
        object["spec"]["finalizers"].items.flatMap { Self.finalizerErrors($0.stringValue, "spec.finalizers") }
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        switch subresource {
        case "finalize":
            return object["spec"]["finalizers"].items.enumerated().flatMap { index, finalizer in
                Self.finalizerErrors(finalizer.stringValue, "spec.finalizers[\(index)]")
            }
        case "status":
            let phase = object["status"]["phase"]
            if object.isDeleting {
                return phase.string == "Terminating"
                    ? []
                    : [
                        .invalid(
                            "status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")
                    ]
            }
            return phase.string == "Active"
                ? [] : [.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")]
        default:
            return []
        }
    }

    private static func finalizerErrors(_ name: String, _ path: String) -> [FieldError] {
        var errors = NameValidation.qualifiedName(name).map { FieldError.invalid(path, .string(name), $0) }
        if !name.contains("/"), !["kubernetes", "orphan", "foregroundDeletion"].contains(name) {
            errors.append(
                .invalid(
                    path, .string(name), "name is neither a standard finalizer name nor is it fully qualified"))
        }
        return errors
    }

    // MARK: deletion

    func beginDeletion(_ object: inout JSON) { object["status"]["phase"] = "Terminating" }

    func isHeld(_ object: JSON) -> Bool { !object["spec"]["finalizers"].items.isEmpty }

    func checkDeletion(_ object: JSON) throws(StatusError) {
        guard Self.immortal.contains(object.name) else { return }
        throw .forbidden(
            "namespaces \"\(object.name)\" is forbidden: this namespace may not be deleted", "namespaces",
            name: object.name)
    }
}
