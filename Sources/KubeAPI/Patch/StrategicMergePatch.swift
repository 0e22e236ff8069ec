/// Strategic merge patch: JSON merge patch that knows how the lists of Kubernetes' types merge
/// (https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/).
///
/// `kubectl apply` and `kubectl patch` send it; the order of merged lists follows Kubernetes' design "preserve order in
/// strategic merge patch": `$setElementOrder` first, then the patch, then what the server had.
public enum StrategicMergePatch {
    /// Applies a patch. Directives (`$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`) are
    /// honoured and never stored.
    /// - Throws: `StatusError` 400 for a patch that does not fit the type.
    public static func apply(_ patch: JSON, to original: JSON, schema: Schema) throws(StatusError) -> JSON {
        guard let changes = patch.object else { throw .badRequest("invalid JSON document") }
        return try merge(original.object ?? JSONObject(), changes, Scope(schema: schema, entries: nil)) ?? .emptyObject
    }

    enum Directive {
        static let patch = "$patch"
        static let retainKeys = "$retainKeys"
        static let setElementOrder = "$setElementOrder/"
        static let deleteFromPrimitiveList = "$deleteFromPrimitiveList/"

        static func isDirective(_ name: String) -> Bool {
            name.utf8.first == UInt8(ascii: "$")
                && (name == patch || name == retainKeys || name.hasPrefix(setElementOrder)
                    || name.hasPrefix(deleteFromPrimitiveList))
        }
    }

    /// What is known of the members of the object that is being merged.
    struct Scope {
        /// Nil where nothing is known of them (a raw value).
        let schema: Schema?
        /// Set in a map: what is known of its values.
        let entries: Schema.Field?

        func field(_ name: String) -> Schema.Field? { schema?.field(name) }

        /// The scope of a member's own members.
        func inside(_ name: String) -> Scope {
            if let entries { return Scope(schema: entries.schema, entries: nil) }
            guard let field = field(name) else { return Scope(schema: nil, entries: nil) }
            return field.shape == .map ? Scope(schema: nil, entries: field) : Scope(schema: field.schema, entries: nil)
        }
    }

    // MARK: objects

    /// - Returns: nil where the patch deletes the object as a whole.
    static func merge(_ original: JSONObject, _ patch: JSONObject, _ scope: Scope) throws(StatusError) -> JSON? {
        switch patch[Directive.patch] {
        case nil, .string("merge")?: break
        case .string("replace")?: return .object(cleaned(patch))
        case .string("delete")?: return nil
        case let other?:
            throw .badRequest("unknown patch type: \(other.goText) in map: \(JSON.object(patch).goDescription)")
        }
        var result = original
        if let retained = patch[Directive.retainKeys] { try retain(retained, in: &result, patch) }
        // Lists with a given order come first, together with the changes of their elements.
        var done: Set<String> = []
        for (directive, order) in patch {
            guard let name = suffix(directive, Directive.setElementOrder) else { continue }
            guard let order = order.array else { throw .badRequest("invalid patch format of setElementOrder list") }
            if patch[name]?.isNull == true { continue }
            if try applyOrder(order, name, to: &result, patch[name], scope) { done.insert(name) }
        }
        for (name, change) in patch where !Directive.isDirective(name) && !done.contains(name) {
            try mergeMember(name, change, into: &result, scope)
        }
        for (directive, elements) in patch {
            guard let name = suffix(directive, Directive.deleteFromPrimitiveList) else { continue }
            guard let elements = elements.array else { throw .badRequest("invalid patch format of primitive list") }
            guard case .array(let existing)? = result[name] else { continue }
            if existing.contains(where: \.isObject) {
                throw .badRequest("invalid use of $deleteFromPrimitiveList directive on map elements")
            }
            let removed = Set(elements.map(identity))
            result[name] = .array(existing.filter { !removed.contains(identity($0)) })
        }
        return .object(result)
    }

    private static func mergeMember(
        _ name: String, _ change: JSON, into result: inout JSONObject, _ scope: Scope
    ) throws(StatusError) {
        let field = scope.field(name)
        switch (result[name], change) {
        case (_, .null):
            result.removeValue(name)
        case (.object(let before)?, .object(let patch)):
            if field?.patchStrategy.contains(.replace) == true {
                result[name] = .object(cleaned(patch))
            } else {
                // An object that is deleted as a whole leaves an empty one, as in Kubernetes; null removes it.
                result[name] = try merge(before, patch, scope.inside(name)) ?? .emptyObject
            }
        case (.array(let before)?, .array(let patch)) where field?.patchStrategy.contains(.merge) == true:
            result[name] = .array(try mergeList(before, patch, mergeKey: field?.mergeKey, scope.inside(name)))
        case (_, .object(let patch)) where patch[Directive.patch]?.string == "delete":
            result.removeValue(name)
        default:
            result[name] = cleaned(change)
        }
    }

    /// `$retainKeys`: of the members only those named stay; the patch may not set others.
    private static func retain(_ retained: JSON, in result: inout JSONObject, _ patch: JSONObject) throws(StatusError) {
        guard let names = retained.array else { throw .badRequest("invalid patch format of retainKeys") }
        let kept = Set(names.compactMap(\.string))
        for (name, change) in patch where !change.isNull && !Directive.isDirective(name) && !kept.contains(name) {
            throw .badRequest("invalid patch format of retainKeys")
        }
        result.removeAll { !kept.contains($0.key) }
    }

    // MARK: what is left out

    /// A part of the patch that takes the place of whatever was there: without nulls and directives.
    static func cleaned(_ object: JSONObject) -> JSONObject {
        var result = object
        result.removeAll { Directive.isDirective($0.key) || $0.value.isNull || isDeletion($0.value) }
        result.mutateValues { _, value in value = cleaned(value) }
        return result
    }

    static func cleaned(_ value: JSON) -> JSON {
        switch value {
        case .object(let object): .object(cleaned(object))
        case .array(let elements): .array(elements.filter { !isDirectiveElement($0) }.map(cleaned))
        default: value
        }
    }

    static func isDeletion(_ value: JSON) -> Bool { value.object?[Directive.patch]?.string == "delete" }

    /// An element that only says what becomes of others.
    private static func isDirectiveElement(_ value: JSON) -> Bool {
        guard let directive = value.object?[Directive.patch]?.string else { return false }
        return directive == "delete" || (directive == "replace" && value.object?.count == 1)
    }

    static func suffix(_ name: String, _ prefix: String) -> String? {
        name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
    }

    /// By which plain values and merge keys are compared.
    static func identity(_ value: JSON) -> String {
        if case .string(let text) = value { return "\"\(text)" }
        return String(decoding: value.serialized(), as: UTF8.self)
    }
}
