/// Strategic merge patch: JSON merge patch that knows how the lists of Kubernetes' types merge
/// (https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/).
public enum StrategicMergePatch {
    /// Applies a patch. Directives (`$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`) are
    /// honoured and never stored.
    /// - Throws: `StatusError` 400 for a patch that does not fit the type.
    public static func apply(_ patch: JSON, to original: JSON, schema: Schema) throws(StatusError) -> JSON {
        guard patch.isObject else { throw .badRequest("the patch must be a JSON object") }
        return try mergeObject(original, patch, schema)
    }

    private static func mergeObject(_ original: JSON, _ patch: JSON, _ schema: Schema?) throws(StatusError) -> JSON {
        guard case .object(let changes) = patch else { return patch }
        switch changes["$patch"]?.string {
        case "replace":
            var replaced = changes
            replaced.removeValue("$patch")
            return .object(replaced)
        case "delete":
            return .emptyObject
        case "merge", nil:
            break
        case let directive?:
            throw .badRequest("Unknown patch type found: \(directive)")
        }
        var result = original.object ?? JSONObject()
        if let retained = changes["$retainKeys"]?.array {
            let keep = Set(retained.compactMap(\.string))
            for name in result.names where !keep.contains(name) { result.removeValue(name) }
        }
        for (name, change) in changes where !name.hasPrefix("$") {
            if change.isNull {
                result.removeValue(name)
                continue
            }
            let field = schema?.field(name)
            let inner = field.flatMap { schema?.schema(of: $0) }
            switch change {
            case .object:
                // A map of plain values merges by key; an object by its schema; both as null removes.
                let isReplaced = field?.patchStrategy.contains(.replace) == true
                let before = isReplaced ? JSON.null : result[name] ?? .null
                var merged = try mergeObject(before, change, field?.shape == .single ? inner : nil)
                if field?.shape == .map, let inner, case .object(let entries) = change {
                    merged = try mergeEntries(before, entries, inner)
                }
                if change["$patch"].string == "delete" {
                    result.removeValue(name)
                } else {
                    result[name] = merged
                }
            case .array(let elements):
                let order = changes["$setElementOrder/\(name)"]?.array
                result[name] = try mergeList(
                    result[name]?.array ?? [], elements, order: order, field: field, schema: inner)
            default:
                result[name] = change
            }
        }
        // Directives for lists that the patch itself doesn't change otherwise.
        for (directive, value) in changes where directive.hasPrefix("$") {
            if let name = suffix(of: directive, after: "$deleteFromPrimitiveList/") {
                guard case .array(let elements)? = result[name] else { continue }
                result[name] = .array(elements.filter { element in !value.items.contains(element) })
            } else if let name = suffix(of: directive, after: "$setElementOrder/"), changes[name] == nil {
                guard case .array(let elements)? = result[name], let field = schema?.field(name) else { continue }
                result[name] = .array(sort(elements, by: value.items, mergeKey: field.mergeKey))
            }
        }
        return .object(result)
    }

    private static func mergeEntries(_ before: JSON, _ changes: JSONObject, _ schema: Schema) throws(StatusError) -> JSON {
        var result = before.object ?? JSONObject()
        for (key, change) in changes where !key.hasPrefix("$") {
            if change.isNull {
                result.removeValue(key)
            } else {
                result[key] = try mergeObject(result[key] ?? .null, change, schema)
            }
        }
        return .object(result)
    }

    private static func mergeList(
        _ original: [JSON], _ patch: [JSON], order: [JSON]?, field: Schema.Field?, schema: Schema?
    ) throws(StatusError) -> JSON {
        guard let field, field.patchStrategy.contains(.merge) else {
            return .array(patch.filter { $0["$patch"].isNull })
        }
        if patch.contains(where: { $0["$patch"].string == "replace" }) {
            return .array(patch.filter { $0["$patch"].isNull })
        }
        guard let key = field.mergeKey else {
            // A set of plain values: what is new is added.
            var merged = original
            for element in patch where !merged.contains(element) { merged.append(element) }
            return .array(order.map { sort(merged, by: $0, mergeKey: nil) } ?? merged)
        }
        var merged = original
        for element in patch {
            let identity = element[key]
            guard element.isObject, !identity.isNull else {
                throw .badRequest("map: \(String(decoding: element.serialized(), as: UTF8.self)) does not contain declared merge key: \(key)")
            }
            let position = merged.firstIndex { $0[key] == identity }
            if element["$patch"].string == "delete" {
                if let position { merged.remove(at: position) }
            } else if let position {
                merged[position] = try mergeObject(merged[position], element, schema)
            } else {
                merged.append(try mergeObject(.null, element, schema))
            }
        }
        return .array(order.map { sort(merged, by: $0, mergeKey: key) } ?? merged)
    }

    /// Puts the elements that `order` names in its order; the others keep their place behind their predecessor.
    private static func sort(_ elements: [JSON], by order: [JSON], mergeKey: String?) -> [JSON] {
        func identity(_ element: JSON) -> JSON { mergeKey.map { element[$0] } ?? element }
        let wanted = order.map(identity)
        var ranked: [(rank: Int, position: Int, element: JSON)] = []
        var last = -1
        for (position, element) in elements.enumerated() {
            if let rank = wanted.firstIndex(of: identity(element)) {
                last = rank
                ranked.append((rank, position, element))
            } else {
                // An element of the server's alone stays behind the one it followed.
                ranked.append((last, position + elements.count, element))
            }
        }
        return ranked.sorted { ($0.rank, $0.position) < ($1.rank, $1.position) }.map(\.element)
    }

    private static func suffix(of text: String, after prefix: String) -> String? {
        text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : nil
    }
}
