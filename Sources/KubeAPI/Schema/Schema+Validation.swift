extension Schema {
    /// The types of all values against the schema. Unknown fields are not its business (`prune`).
    /// - Returns: errors in the words of Kubernetes' decoder, the first `limit` of them.
    public func typeErrors(_ value: JSON, path: String = "", limit: Int = 8) -> [String] {
        var errors: [String] = []
        check(value, path, &errors, limit)
        return errors
    }

    private func check(_ value: JSON, _ path: String, _ errors: inout [String], _ limit: Int) {
        guard let object = value.object else {
            errors.append(Self.mismatch(value, path, "Go value of type \(goName)"))
            return
        }
        for (name, member) in object where errors.count < limit {
            guard let field = field(name), !member.isNull else { continue }
            let memberPath = path.isEmpty ? name : "\(path).\(name)"
            switch field.shape {
            case .single:
                check(member, field, memberPath, &errors, limit)
            case .list:
                guard let elements = member.array else {
                    errors.append(Self.mismatch(member, memberPath, "Go struct field \(goField(name)) of type []\(field.form.goName)"))
                    continue
                }
                for (index, element) in elements.enumerated() where !element.isNull || field.form != .string {
                    check(element, field, "\(memberPath)[\(index)]", &errors, limit)
                }
            case .map, .mapOfLists:
                guard let entries = member.object else {
                    errors.append(Self.mismatch(member, memberPath, "Go struct field \(goField(name)) of type map[string]\(field.form.goName)"))
                    continue
                }
                for (key, entry) in entries where field.shape == .map {
                    check(entry, field, "\(memberPath).\(key)", &errors, limit)
                }
            }
        }
    }

    private func check(_ value: JSON, _ field: Field, _ path: String, _ errors: inout [String], _ limit: Int) {
        guard !value.isNull, errors.count < limit else { return }
        if case .object = field.form {
            schema(of: field)?.check(value, path, &errors, limit)
        } else if let problem = field.form.problem(value) {
            errors.append(
                problem.isEmpty
                    ? Self.mismatch(value, path, "Go struct field \(goField(field.name)) of type \(field.form.goName)")
                    : "\(path): \(problem)")
        }
    }

    private static func mismatch(_ value: JSON, _ path: String, _ target: String) -> String {
        "json: cannot unmarshal \(value.decoderName) into \(target)"
    }

    /// `Pod`, of `core/v1.Pod`.
    var goName: String { typeName.split(separator: ".").last.map(String.init) ?? typeName }
    private func goField(_ name: String) -> String { "\(goName).\(name)" }

    /// Removes members that the schema does not know, everywhere.
    /// - Returns: their paths as strict decoding prints them: `spec.containers[0].imagee`.
    public func prune(_ value: inout JSON, path: String = "") -> [String] {
        guard case .object(var object) = value else { return [] }
        var unknown: [String] = []
        var isChanged = false
        for name in object.names {
            let memberPath = path.isEmpty ? name : "\(path).\(name)"
            guard let field = field(name) else {
                object.removeValue(name)
                isChanged = true
                unknown.append(memberPath)
                continue
            }
            guard case .object = field.form, let schema = schema(of: field), var member = object[name] else { continue }
            let before = unknown.count
            switch field.shape {
            case .single:
                unknown += schema.prune(&member, path: memberPath)
            case .list:
                guard case .array(var elements) = member else { continue }
                for index in elements.indices {
                    unknown += schema.prune(&elements[index], path: "\(memberPath)[\(index)]")
                }
                if unknown.count > before { member = .array(elements) }
            case .map, .mapOfLists:
                guard case .object(var entries) = member, field.shape == .map else { continue }
                for key in entries.names {
                    guard var entry = entries[key] else { continue }
                    unknown += schema.prune(&entry, path: "\(memberPath).\(key)")
                    entries[key] = entry
                }
                if unknown.count > before { member = .object(entries) }
            }
            if unknown.count > before {
                object[name] = member
                isChanged = true
            }
        }
        if isChanged { value = .object(object) }
        return unknown
    }

    /// Removes nulls, and zero values that Kubernetes' types don't write, so that stored objects are canonical.
    public func dropNulls(_ value: inout JSON) {
        guard case .object(var object) = value else { return }
        for name in object.names {
            guard var member = object[name] else { continue }
            if member.isNull {
                object.removeValue(name)
                continue
            }
            guard let field = field(name), let schema = schema(of: field) else { continue }
            switch (field.shape, member) {
            case (.single, _):
                schema.dropNulls(&member)
            case (.list, .array(var elements)):
                for index in elements.indices { schema.dropNulls(&elements[index]) }
                member = .array(elements)
            default:
                continue
            }
            object[name] = member
        }
        value = .object(object)
    }
}

extension JSON {
    /// What Go's decoder calls the value's type.
    var decoderName: String {
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
    /// Nil where the value fits, an empty text for a wrong type, else what is wrong with it.
    func problem(_ value: JSON) -> String? {
        switch self {
        case .string, .enumeration:
            return value.string == nil ? "" : nil
        case .bool:
            return value.bool == nil ? "" : nil
        case .int32:
            guard let number = value.int else { return "" }
            return Int32(exactly: number) == nil ? "" : nil
        case .int64:
            return value.int == nil ? "" : nil
        case .float64:
            return value.double == nil ? "" : nil
        case .bytes:
            guard let text = value.string else { return "" }
            return Base64.isValid(text) ? nil : "illegal base64 data"
        case .time, .microTime:
            guard let text = value.string else { return "" }
            return Timestamp(rfc3339: text) == nil
                ? "parsing time \"\(text)\" as \"2006-01-02T15:04:05Z07:00\": cannot parse" : nil
        case .duration:
            return value.string == nil ? "" : nil
        case .quantity:
            if case .int = value { return nil }
            if case .double = value { return nil }
            guard let text = value.string else { return "" }
            return Quantity(text) == nil
                ? "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'" : nil
        case .intOrString:
            if case .int = value { return nil }
            return value.string == nil ? "" : nil
        case .raw:
            return nil
        case .object:
            return value.object == nil ? "" : nil
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
        case .time, .microTime: "Time"
        case .duration: "Duration"
        case .quantity: "Quantity"
        case .intOrString: "IntOrString"
        case .raw: "RawExtension"
        case .enumeration: "string"
        case .object(let name): name.split(separator: "/").last.map { $0.hasPrefix("v1.") ? String($0) : name } ?? name
        }
    }
}
