extension Schema {
    /// Checks what Kubernetes refuses of the value's structure, whatever else it says: missing required fields and values
    /// outside closed sets. For trees without type errors. What depends on several fields is the registry's.
    public func validate(_ value: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        validate(value, path: "", &errors)
        return errors
    }

    fileprivate func validate(_ value: JSON, path: String, _ errors: inout [FieldError]) {
        guard case .object(let object) = value else { return }
        for field in fields where field.isChecked || field.hasRules {
            let member = object[field.name] ?? .null
            let isEmpty = member.isZero || (field.shape != .single && member.object?.isEmpty == true)
            let memberPath = path.isEmpty ? field.name : "\(path).\(field.name)"
            if isEmpty {
                if field.isChecked { errors.append(.required(memberPath)) }
                continue
            }
            switch (field.shape, member) {
            case (.single, _):
                field.validate(member, path: memberPath, &errors)
            case (.list, .array(let elements)):
                for (index, element) in elements.enumerated() {
                    field.validate(element, path: "\(memberPath)[\(index)]", &errors)
                }
            case (.map, .object(let entries)):
                for (key, entry) in entries { field.validate(entry, path: "\(memberPath)[\(key)]", &errors) }
            default:
                continue
            }
        }
    }
}

extension Schema.Field {
    /// Whether values have anything to check in them.
    fileprivate var hasRules: Bool {
        switch form {
        case .object: true
        case .enumeration(_, _, let isClosed): isClosed
        default: false
        }
    }

    fileprivate func validate(_ value: JSON, path: String, _ errors: inout [FieldError]) {
        switch form {
        case .object(let schema):
            schema.validate(value, path: path, &errors)
        case .enumeration(_, let values, let isClosed):
            guard isClosed, let text = value.string, !text.isEmpty, !values.contains(text) else { return }
            errors.append(.notSupported(path, value, values))
        default:
            return
        }
    }
}
