extension Schema {
    /// Brings a tree without type errors into the form in which Kubernetes writes it back: nulls and empty values that
    /// its types leave out are removed, quantities, times and null elements get their one spelling. Thus stored objects
    /// compare by their bytes.
    public func normalize(_ value: inout JSON) {
        guard case .object(var object) = value else { return }
        value = .null  // gives up the reference, so that members change in place
        var hasRemovals = false
        for position in object.members.indices {
            guard let field = field(object.members[position].key) else { continue }
            Self.normalize(&object.members[position].value, field)
            if object.members[position].value.isNull { hasRemovals = true }
        }
        if hasRemovals { object.removeAll { $0.value.isNull } }
        value = .object(object)
    }

    /// Makes what is to be left out null.
    private static func normalize(_ value: inout JSON, _ field: Field) {
        switch (field.shape, value) {
        case (_, .null):
            return
        case (.single, _):
            single(&value, field)
            if field.leavesOut(value) { value = .null }
        case (.list, .array(var elements)):
            value = .null
            guard !elements.isEmpty || !field.omitsEmpty else { return }
            for index in elements.indices { element(&elements[index], field) }
            value = .array(elements)
        case (.map, .object(var entries)), (.mapOfLists, .object(var entries)):
            value = .null
            guard !entries.isEmpty || !field.omitsEmpty else { return }
            if field.shape == .map { entries.mutateValues { _, entry in element(&entry, field) } }
            value = .object(entries)
        default:
            return
        }
    }

    /// Go has no null among the elements of a list or map of plain values.
    private static func element(_ value: inout JSON, _ field: Field) {
        if value.isNull { value = field.form.zero } else { single(&value, field) }
    }

    /// Brings a value of a form that has several spellings into the one that is stored.
    static func respell(_ value: inout JSON, _ form: Form) {
        switch form {
        case .quantity:
            if let text = value.string ?? Quantity(value)?.description, let stored = Quantity.storedText(text) {
                value = .string(stored)
            }
        case .time: time(&value, .seconds)
        case .microTime: time(&value, .micro)
        default: return
        }
    }

    private static func single(_ value: inout JSON, _ field: Field) {
        if case .object(let schema) = field.form { schema.normalize(&value) } else { respell(&value, field.form) }
    }

    private static func time(_ value: inout JSON, _ layout: WrittenTime.Layout) {
        guard let text = value.string else { return }
        // Most are canonical already, which their length tells.
        let length = 20 + (layout == .micro ? 7 : 0)
        if text.utf8.count == length, text.utf8.last == UInt8(ascii: "Z"), !text.hasPrefix("0001") { return }
        do {
            let time = try WrittenTime.read(text, layout)
            if time.isZero {
                value = .null
            } else if let canonical = time.text(fractionDigits: layout.fractionDigits), canonical != text {
                value = .string(canonical)
            }
        } catch {
            // What is no time is `typeErrors`' to refuse.
        }
    }
}

extension Schema.Field {
    /// Whether Go's types leave the value out. Structs are always written, and a number or text is a struct to them.
    func leavesOut(_ value: JSON) -> Bool {
        guard omitsEmpty, !isPointer, value.isZero else { return value.isNull }
        if case .intOrString = form { return false }
        return true
    }
}

extension Schema.Form {
    /// What stands for a missing value among the elements of a list or map.
    var zero: JSON {
        switch self {
        case .bool: false
        case .int32, .int64, .float64, .intOrString: 0
        case .quantity: "0"
        case .object: .emptyObject
        case .raw, .time, .microTime: .null
        case .string, .bytes, .duration, .enumeration: ""
        }
    }
}

extension JSON {
    /// What Go's `omitempty` leaves out; objects stay, being structs.
    var isZero: Bool {
        switch self {
        case .null: true
        case .bool(let value): !value
        case .int(let value): value == 0
        case .double(let value): value == 0
        case .string(let value): value.isEmpty
        case .array(let value): value.isEmpty
        case .object: false
        }
    }
}
