/// How a value is merged and owned (https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy).
enum MergeType {
    /// As a whole: plain values, and lists, maps and structs that are atomic.
    case leaf
    case structure(Schema)
    /// A map, each of its values on its own.
    case map(Schema.Field)
    case mapOfLists
    /// A list of plain values, each once.
    case set
    /// A list of objects that keys tell apart.
    case keyed([String], Schema)
    /// Any JSON: objects by member, all else as a whole.
    case any

    /// Of a field's value.
    init(_ field: Schema.Field) {
        if field.isAtomic {
            self = .leaf
            return
        }
        switch (field.shape, field.listType) {
        case (.single, _): self.init(elementOf: field)
        case (.map, _): self = .map(field)
        case (.mapOfLists, _): self = .mapOfLists
        case (.list, .set): self = .set
        case (.list, .map(let keys)):
            guard let schema = field.schema else {
                self = .leaf
                return
            }
            // Mostly they are in order already.
            self = .keyed(zip(keys, keys.dropFirst()).allSatisfy(<) ? keys : keys.sorted(), schema)
        case (.list, .atomic): self = .leaf
        }
    }

    /// Of one value of a list or map.
    init(elementOf field: Schema.Field) {
        switch field.form {
        case .object(let schema): self = schema.isAtomic ? .leaf : .structure(schema)
        case .raw: self = .any
        default: self = .leaf
        }
    }

    /// Of the value of a map's entry or of any object's member.
    var entry: MergeType {
        switch self {
        case .map(let field): MergeType(elementOf: field)
        case .any: .any
        default: .leaf
        }
    }
}

extension Schema.Field {
    /// Whether Go's types write the field even where it has no value: then a value in it changes the field and does not
    /// add it.
    var isAlwaysWritten: Bool {
        if !omitsEmpty { return true }
        guard shape == .single, !isPointer, case .object = form else { return false }
        return true
    }
}

extension JSON {
    /// Null, or an object or list without content.
    var isHollow: Bool {
        switch self {
        case .null: true
        case .object(let object): object.isEmpty
        case .array(let elements): elements.isEmpty
        default: false
        }
    }
}
