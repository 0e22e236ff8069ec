/// Takes the members of a set out of an object, with all that is in them.
enum FieldRemoval {
    static func remove(_ set: FieldSet, from object: JSON, _ schema: Schema) -> JSON {
        set.isEmpty ? object : remove(set.root, from: object, .structure(schema))
    }

    /// What is emptied by it becomes null.
    private static func remove(_ node: JSONObject, from value: JSON, _ type: MergeType) -> JSON {
        switch (type, value) {
        case (.structure, .object(let members)), (.map, .object(let members)), (.mapOfLists, .object(let members)),
            (.any, .object(let members)):
            var kept = JSONObject()
            for (name, member) in members {
                let element = FieldPath.field(name)
                guard let below = node[element]?.fieldNode else {
                    kept.append(name, member)
                    continue
                }
                if below.isMember { continue }
                kept.append(name, remove(below, from: member, type.below(element)))
            }
            return kept.isEmpty ? .null : .object(kept)
        case (.set, .array(let values)):
            return elements(values, node, type) { FieldPath.value($0) }
        case (.keyed(let keys, let schema), .array(let values)):
            return elements(values, node, type) { FieldPath.key($0, keys, schema) }
        default:
            return value
        }
    }

    private static func elements(
        _ values: [JSON], _ node: JSONObject, _ type: MergeType, _ identity: (JSON) -> String?
    ) -> JSON {
        let kept = values.compactMap { value -> JSON? in
            guard let element = identity(value), let below = node[element]?.fieldNode else { return value }
            return below.isMember ? nil : remove(below, from: value, type.below(element))
        }
        return kept.isEmpty ? .null : .array(kept)
    }
}
