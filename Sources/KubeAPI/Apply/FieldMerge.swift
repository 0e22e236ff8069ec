/// Merges an applied configuration into an object: what it says counts, what it does not mention stays.
enum FieldMerge {
    static func merge(_ config: JSON, into live: JSON, _ schema: Schema) -> JSON {
        merge(live, config, .structure(schema))
    }

    private static func merge(_ left: JSON, _ right: JSON, _ type: MergeType) -> JSON {
        if left.isHollow, right.isHollow { return right }
        switch (type, left, right) {
        case (.structure(let schema), .object(let before), .object(let after)):
            return members(before, after) { name in schema.field(name).map { MergeType($0) } ?? .leaf }
        case (.map, .object(let before), .object(let after)), (.mapOfLists, .object(let before), .object(let after)),
            (.any, .object(let before), .object(let after)):
            let entry = type.entry
            return members(before, after) { _ in entry }
        case (.set, .array(let before), .array(let after)):
            return elements(before, after, .leaf) { FieldPath.value($0) }
        case (.keyed(let keys, let schema), .array(let before), .array(let after)):
            let element: MergeType = schema.isAtomic ? .leaf : .structure(schema)
            return elements(before, after, element) { FieldPath.key($0, keys, schema) }
        case (.structure, _, .null), (.map, _, .null), (.set, _, .null), (.keyed, _, .null), (.mapOfLists, _, .null):
            // A container of which nothing is said keeps what others have in it.
            return left
        default:
            return right
        }
    }

    private static func members(_ left: JSONObject, _ right: JSONObject, _ type: (String) -> MergeType) -> JSON {
        var result = left
        for (name, value) in right {
            if let before = result[name] {
                result[name] = merge(before, value, type(name))
            } else {
                result.append(name, value)
            }
        }
        return .object(result)
    }

    /// Merges lists: in the configuration's order, with the elements that only the object has between those that they
    /// stood between, as far as the two orders agree.
    private static func elements(
        _ left: [JSON], _ right: [JSON], _ type: MergeType, _ identity: (JSON) -> String?
    ) -> JSON {
        guard let before = ListElements(left, identity), let after = ListElements(right, identity) else {
            return .array(right)
        }
        var shared = after.elements.map(\.name).filter { before.position(of: $0) != nil }[...]
        var nextShared = shared.popFirst()
        var merged: Set<String> = []
        var result: [JSON] = []
        result.reserveCapacity(before.elements.count + after.elements.count)
        var l = 0
        var r = 0
        func take(_ element: ListElements.Element) {
            merged.insert(element.name)
            let own = before.position(of: element.name).map { before.elements[$0].value }
            result.append(own.map { merge($0, element.value, type) } ?? element.value)
        }
        while l < before.elements.count || r < after.elements.count {
            if l < before.elements.count, r < after.elements.count {
                let name = before.elements[l].name
                if name == after.elements[r].name {
                    take(after.elements[r])
                    l += 1
                    r += 1
                    nextShared = shared.popFirst()
                    continue
                }
                if let next = nextShared, after.position(of: name) != nil, next != name {
                    // In both, but not its turn.
                    l += 1
                    continue
                }
            }
            if l < before.elements.count {
                let element = before.elements[l]
                if after.position(of: element.name) == nil {
                    result.append(contentsOf: element.all ?? [element.value])
                    l += 1
                    continue
                }
                if merged.contains(element.name) { l += 1 }
            }
            if r < after.elements.count {
                let element = after.elements[r]
                take(element)
                r += 1
                if nextShared == element.name { nextShared = shared.popFirst() }
            }
        }
        return .array(result)
    }
}
