/// Where the defaults of a type and of what it holds are, so that defaulting looks at nothing else.
final class DefaultsPlan: Sendable {
    /// Fields with a default of their own.
    let own: [Schema.Field]
    let rule: SchemaDefaults.Rule?
    /// Fields whose values have defaults, at any depth.
    let nested: [(field: Schema.Field, schema: Schema)]

    var isEmpty: Bool { own.isEmpty && rule == nil && nested.isEmpty }

    init(_ schema: Schema) {
        own = schema.fields.filter(Self.hasDefault)
        rule = SchemaDefaults.byType[schema.typeName]
        nested = schema.fields.compactMap { field in
            guard let inner = field.schema, Self.reaches(inner) else { return nil }
            return (field, inner)
        }
    }

    /// The zero value of a field that is not a pointer is there anyway.
    static func hasDefault(_ field: Schema.Field) -> Bool {
        guard field.shape == .single else { return false }
        switch field.defaultValue {
        case .null: return false
        case .string(""), .int(0), .bool(false): return field.isPointer
        default: return true
        }
    }

    /// Whether a type or anything in it has a default.
    private static func reaches(_ schema: Schema) -> Bool {
        var seen: Set<String> = [schema.typeName]
        var queue = [schema]
        while let next = queue.popLast() {
            if SchemaDefaults.byType[next.typeName] != nil || next.fields.contains(where: hasDefault) { return true }
            for inner in next.fields.compactMap(\.schema) where seen.insert(inner.typeName).inserted {
                queue.append(inner)
            }
        }
        return false
    }
}

extension Schema {
    /// Fills in what clients may leave out: the types' own defaults and those of `SchemaDefaults`. Idempotent. Empty
    /// strings count as left out, as they do for Go's decoder.
    public func applyDefaults(_ value: inout JSON) {
        guard value.isObject else { return }
        let plan = defaultsPlan
        plan.rule?(&value)
        guard case .object(var object) = value else { return }
        value = .null  // gives up the reference, so that members change in place
        for field in plan.own {
            let position = object.positionMakingNull(field.name)
            if object.members[position].value.isUnset { object.members[position].value = field.defaultValue }
        }
        for (field, schema) in plan.nested {
            guard let position = object.position(of: field.name) else { continue }
            switch field.shape {
            case .single:
                schema.applyDefaults(&object.members[position].value)
            case .list:
                guard case .array(var elements) = object.members[position].value else { continue }
                object.members[position].value = .null
                for index in elements.indices { schema.applyDefaults(&elements[index]) }
                object.members[position].value = .array(elements)
            case .map:
                guard case .object(var entries) = object.members[position].value else { continue }
                object.members[position].value = .null
                entries.mutateValues { _, entry in schema.applyDefaults(&entry) }
                object.members[position].value = .object(entries)
            case .mapOfLists:
                continue
            }
        }
        value = .object(object)
    }
}

extension JSON {
    /// Missing, or an empty string: what Go's types can't tell apart.
    var isUnset: Bool {
        switch self {
        case .null, .string(""): true
        default: false
        }
    }

    /// Sets the member where it is unset.
    mutating func setDefault(_ name: String, _ value: JSON) {
        if self[name].isUnset { self[name] = value }
    }
}
