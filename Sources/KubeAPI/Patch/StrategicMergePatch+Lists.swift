extension StrategicMergePatch {
    // MARK: merging

    /// Merges a list whose elements are identified by a merge key, or are plain values where there is none.
    static func mergeList(
        _ original: [JSON], _ patch: [JSON], mergeKey: String?, _ scope: Scope
    ) throws(StatusError) -> [JSON] {
        guard let mergeKey else { return try mergeScalars(original, patch) }
        var kept = original
        var changes: [JSON] = []
        var isReplaced = false
        for element in patch {
            guard let object = element.object else {
                throw .badRequest("expected a map[string]interface {}, but received a \(element.goTypeName)")
            }
            switch object[Directive.patch] {
            case nil, .string("merge")?:
                changes.append(element)
            case .string("replace")?:
                isReplaced = true
                // Beside the directive the element may hold a value of the new list.
                if object.contains(mergeKey) { changes.append(element) }
            case .string("delete")?:
                let key = try Self.key(element, mergeKey)
                kept.removeAll { $0[mergeKey].isNull ? false : identity($0[mergeKey]) == key }
            case let other?:
                throw .badRequest("unknown patch type: \(other.goText) in map: \(element.goDescription)")
            }
        }
        if isReplaced { return changes.map(cleaned) }
        var merged = kept
        var positions: [String: Int] = [:]
        for (position, element) in merged.enumerated().reversed() {
            if !element[mergeKey].isNull { positions[identity(element[mergeKey])] = position }
        }
        for element in changes {
            let key = try Self.key(element, mergeKey)
            if let position = positions[key], let before = merged[position].object, let change = element.object {
                merged[position] = try merge(before, change, scope) ?? .emptyObject
            } else {
                positions[key] = merged.count
                merged.append(cleaned(element))
            }
        }
        return try arrange(merged, by: changes, server: kept, mergeKey: mergeKey)
    }

    private static func mergeScalars(_ original: [JSON], _ patch: [JSON]) throws(StatusError) -> [JSON] {
        for element in patch {
            if element.isObject { throw .badRequest("cannot merge lists without merge key") }
            if element.array != nil { throw .badRequest("lists of lists are not supported") }
        }
        var seen: Set<String> = []
        let merged = (original + patch).filter { seen.insert(identity($0)).inserted }
        return try arrange(merged, by: patch, server: original, mergeKey: nil)
    }

    static func key(_ element: JSON, _ mergeKey: String) throws(StatusError) -> String {
        guard let value = element.object?[mergeKey], !value.isNull else {
            throw .badRequest("map: \(element.goDescription) does not contain declared merge key: \(mergeKey)")
        }
        return identity(value)
    }

    // MARK: order

    /// Handles one `$setElementOrder/…`, with the changes of the list.
    /// - Returns: false where there is no such list, neither in the object nor in the patch.
    static func applyOrder(
        _ order: [JSON], _ name: String, to result: inout JSONObject, _ change: JSON?, _ scope: Scope
    ) throws(StatusError) -> Bool {
        let field = scope.field(name)
        let mergeKey = field?.mergeKey
        let original = result[name]
        if let original, original.array == nil {
            throw .badRequest("expected a []interface {}, but received a \(original.goTypeName)")
        }
        if let change {
            guard let elements = change.array else {
                throw .badRequest("expected a []interface {}, but received a \(change.goTypeName)")
            }
            try check(elements, follow: order, mergeKey: mergeKey)
        }
        var server = original?.array ?? []
        let merged: [JSON]
        switch (original?.array, change?.array) {
        case (nil, nil): return false
        case (let elements?, nil): merged = elements
        case (nil, let elements?): merged = elements.filter { !isDeletion($0) }.map(cleaned)
        case (let before?, let elements?):
            guard field?.patchStrategy.contains(.merge) == true else {
                merged = elements.map(cleaned)
                break
            }
            merged = try mergeList(before, elements, mergeKey: mergeKey, scope.inside(name))
            if let mergeKey { server = try afterDeletions(before, elements, mergeKey: mergeKey) }
        }
        result[name] = .array(try arrange(merged, by: order, server: server, mergeKey: mergeKey))
        return true
    }

    /// The server's order as Kubernetes sees it afterwards: it deletes in place and appends, so that what is added takes
    /// the places of what was deleted, and counts as the server's.
    private static func afterDeletions(
        _ before: [JSON], _ patch: [JSON], mergeKey: String
    ) throws(StatusError) -> [JSON] {
        var deleted: Set<String> = []
        for element in patch where isDeletion(element) { deleted.insert(try key(element, mergeKey)) }
        guard !deleted.isEmpty else { return before }
        let kept = before.filter { $0[mergeKey].isNull || !deleted.contains(identity($0[mergeKey])) }
        let known = Set(kept.map { identity($0[mergeKey]) })
        let added = patch.filter {
            $0.object?.contains(Directive.patch) != true && !known.contains(identity($0[mergeKey]))
        }
        return kept + added.prefix(before.count - kept.count)
    }

    /// The patch must have its elements in the order that it asks for.
    private static func check(_ patch: [JSON], follow order: [JSON], mergeKey: String?) throws(StatusError) {
        guard !order.isEmpty else { return }
        let elements = patch.filter { $0.object?.contains(Directive.patch) != true }
        var wanted: [String] = []
        for element in order { wanted.append(try rankKey(element, mergeKey)) }
        var next = 0
        for element in elements {
            let key = try rankKey(element, mergeKey)
            while next < wanted.count, wanted[next] != key { next += 1 }
            guard next < wanted.count else {
                throw .badRequest(
                    "The order in patch list:\n\(JSON.array(patch).goDescription)\n doesn't match $setElementOrder list:\n\(JSON.array(order).goDescription)\n"
                )
            }
            next += 1
        }
    }

    private static func rankKey(_ element: JSON, _ mergeKey: String?) throws(StatusError) -> String {
        guard let mergeKey else { return identity(element) }
        return try key(element, mergeKey)
    }

    private static func ranks(_ order: [JSON], _ mergeKey: String?) throws(StatusError) -> [String: Int] {
        var ranks: [String: Int] = [:]
        for (rank, element) in order.enumerated() {
            let key = try rankKey(element, mergeKey)
            if ranks[key] == nil { ranks[key] = rank }
        }
        return ranks
    }

    /// Puts the elements that `order` names in its order and the server's own among them: each before the first that it
    /// preceded on the server, else behind all.
    private static func arrange(
        _ elements: [JSON], by order: [JSON], server: [JSON], mergeKey: String?
    ) throws(StatusError) -> [JSON] {
        let wanted = try ranks(order, mergeKey)
        let known = try ranks(server, mergeKey)
        var named: [(rank: Int, known: Int?, element: JSON)] = []
        var others: [(rank: Int, known: Int?, element: JSON)] = []
        for element in elements {
            let key = try rankKey(element, mergeKey)
            if let rank = wanted[key] {
                named.append((rank, known[key], element))
            } else {
                others.append((known[key] ?? .max, known[key], element))
            }
        }
        // Swift's sort is stable.
        named.sort { $0.rank < $1.rank }
        others.sort { $0.rank < $1.rank }
        var result: [JSON] = []
        result.reserveCapacity(elements.count)
        var left = others[...]
        var right = named[...]
        while let own = left.first, let next = right.first {
            if let before = own.known, let after = next.known, before < after {
                result.append(own.element)
                left.removeFirst()
            } else {
                result.append(next.element)
                right.removeFirst()
            }
        }
        result += left.map(\.element)
        result += right.map(\.element)
        return result
    }
}

extension JSON {
    /// As Go prints a decoded value (`%v`): what Kubernetes' messages about patches hold.
    var goDescription: String {
        switch self {
        case .null: "<nil>"
        case .bool(let value): String(value)
        case .int, .double: printed
        case .string(let text): text
        case .array(let elements): "[" + elements.map(\.goDescription).joined(separator: " ") + "]"
        case .object(let object):
            "map["
                + object.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value.goDescription)" }
                .joined(separator: " ") + "]"
        }
    }

    /// As Go prints a value where it expects a text (`%s`).
    var goText: String {
        switch self {
        case .null: "%!s(<nil>)"
        case .bool, .int, .double: "%!s(\(goTypeName)=\(goDescription))"
        default: goDescription
        }
    }

    var goTypeName: String {
        switch self {
        case .null: "%!s(<nil>)"
        case .bool: "bool"
        case .int: "int64"
        case .double: "float64"
        case .string: "string"
        case .array: "[]interface {}"
        case .object: "map[string]interface {}"
        }
    }
}
