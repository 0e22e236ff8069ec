extension Schema {
    /// Checks the types of all values. Unknown fields are not its business (`prune`).
    /// - Returns: what Go's decoder would say, that which Kubernetes answers with first, at most `limit` of it.
    public func typeErrors(_ value: JSON, limit: Int = 8) -> [String] {
        var check = TypeCheck(limit: limit)
        if value.isObject {
            check.object(value, self)
        } else if !value.isNull {
            check.report("json: cannot unmarshal \(value.decoderName) into Go value of type \(qualifiedGoName)")
        }
        return Array((check.fatal.map { [$0] } ?? []) + check.errors.prefix(check.fatal == nil ? limit : limit - 1))
    }
}

/// One walk over a tree.
private struct TypeCheck {
    let limit: Int
    /// Values of another type than wanted, after which Go's decoder goes on.
    var errors: [String] = []
    /// The first value that a type which reads itself refused: Go's decoder stops there and tells of nothing else.
    var fatal: String?
    /// The names of the fields above, without indices and keys, as Go's decoder keeps them.
    private var path: [String] = []

    init(limit: Int) { self.limit = limit }

    mutating func report(_ error: String) {
        if errors.count < limit { errors.append(error) }
    }

    mutating func object(_ value: JSON, _ schema: Schema) {
        guard case .object(let members) = value else { return }
        for (name, member) in members where !member.isNull {
            guard fatal == nil else { return }
            guard let field = schema.field(name) else { continue }
            path.append(name)
            self.field(member, field, schema)
            path.removeLast()
        }
    }

    private mutating func field(_ value: JSON, _ field: Schema.Field, _ owner: Schema) {
        switch field.shape {
        case .single:
            single(value, field, owner)
        case .list:
            guard case .array(let elements) = value else {
                return mismatch(value.decoderName, owner, "[]\(field.form.goName)")
            }
            for element in elements { single(element, field, owner) }
        case .map:
            guard case .object(let entries) = value else {
                return mismatch(value.decoderName, owner, field.form.goMapName)
            }
            for (_, entry) in entries { single(entry, field, owner) }
        case .mapOfLists:
            guard case .object(let entries) = value else {
                return mismatch(value.decoderName, owner, field.form.goMapName)
            }
            for (_, entry) in entries where !entry.isNull {
                guard case .array(let elements) = entry else {
                    mismatch(entry.decoderName, owner, "[]\(field.form.goName)")
                    continue
                }
                for element in elements { single(element, field, owner) }
            }
        }
    }

    private mutating func single(_ value: JSON, _ field: Schema.Field, _ owner: Schema) {
        guard !value.isNull, fatal == nil else { return }
        if case .object(let schema) = field.form, value.isObject { return object(value, schema) }
        switch field.form.problem(value) {
        case nil: break
        case .type(let found)?:
            // The one named text type that the facts don't tell.
            mismatch(found, owner, field.name == "uid" && field.form == .string ? "types.UID" : field.form.goName)
        case .text(let text)?: report(text)
        case .fatalType(let found, let wanted)?: fatal = Self.mismatch(found, owner, path, wanted)
        case .fatalText(let text)?: fatal = text
        }
    }

    private mutating func mismatch(_ found: String, _ owner: Schema, _ wanted: String) {
        report(Self.mismatch(found, owner, path, wanted))
    }

    private static func mismatch(_ found: String, _ owner: Schema, _ path: [String], _ wanted: String) -> String {
        "json: cannot unmarshal \(found) into Go struct field \(owner.goName).\(path.joined(separator: ".")) of type \(wanted)"
    }
}

extension JSON {
    /// What Go's decoder calls the value's type.
    public var decoderName: String {
        switch self {
        case .null: "null"
        case .bool: "bool"
        case .int, .double: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}

extension Schema.Form {
    enum Problem: Equatable {
        /// Another type than wanted; how Go's decoder names what it found.
        case type(String)
        /// The right type with a wrong value.
        case text(String)
        /// The same of types that read their values themselves.
        case fatalType(String, wanted: String)
        case fatalText(String)
    }

    /// Nil where the value fits.
    func problem(_ value: JSON) -> Problem? {
        switch self {
        case .string, .enumeration:
            return value.string == nil ? .type(value.decoderName) : nil
        case .bool:
            return value.bool == nil ? .type(value.decoderName) : nil
        case .int32:
            guard case .int(let number) = value, Int32(exactly: number) != nil else {
                return .type(Self.notInteger(value))
            }
            return nil
        case .int64:
            guard case .int = value else { return .type(Self.notInteger(value)) }
            return nil
        case .float64:
            return value.double == nil ? .type(value.decoderName) : nil
        case .bytes:
            guard let text = value.string else { return .type(value.decoderName) }
            return Base64.firstIllegal(text).map { .text("illegal base64 data at input byte \($0)") }
        case .time, .microTime:
            guard let text = value.string else { return .fatalType(value.decoderName, wanted: "string") }
            do {
                _ = try WrittenTime.read(text, self == .time ? .seconds : .micro)
                return nil
            } catch {
                return .fatalText(error.message)
            }
        case .duration:
            guard let text = value.string else { return .fatalType(value.decoderName, wanted: "string") }
            return Duration(goDuration: text) == nil ? .fatalText("time: invalid duration \(value.printed)") : nil
        case .quantity:
            return Quantity(value) == nil ? .fatalText(Quantity.formatError) : nil
        case .intOrString:
            if value.string != nil { return nil }
            guard case .int(let number) = value, Int32(exactly: number) != nil else {
                return .fatalType(Self.notInteger(value), wanted: "int32")
            }
            return nil
        case .raw:
            return nil
        case .object:
            return value.isObject ? nil : .type(value.decoderName)
        }
    }

    /// A number that is no integer of the wanted size is named with its digits.
    private static func notInteger(_ value: JSON) -> String {
        switch value {
        case .int, .double: "number \(value.printed)"
        default: value.decoderName
        }
    }

    /// What Go calls the type.
    var goName: String {
        switch self {
        case .string: "string"
        case .bool: "bool"
        case .int32: "int32"
        case .int64: "int64"
        case .float64: "float64"
        case .bytes: "[]uint8"
        case .time: "v1.Time"
        case .microTime: "v1.MicroTime"
        case .duration: "v1.Duration"
        case .quantity: "resource.Quantity"
        case .intOrString: "intstr.IntOrString"
        case .raw: "runtime.RawExtension"
        case .enumeration(let name, _, _): name
        case .object(let schema): schema.qualifiedGoName
        }
    }

    fileprivate var goMapName: String {
        if case .quantity = self { "v1.ResourceList" } else { "map[string]\(goName)" }
    }
}
