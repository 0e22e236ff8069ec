/// A configuration as it is applied: checked against its type, with quantities and times in the one spelling in which
/// objects hold them, so that another spelling of a value is no change of it.
struct AppliedConfiguration {
    private(set) var object: JSON
    /// What is wrong with it, in the words of Kubernetes' structured merge: `.spec.replicas: expected numeric (int or
    /// float), got string`.
    private(set) var errors: [String] = []

    /// One answer does not name more.
    private static let maxErrors = 20

    init(_ config: JSON, _ schema: Schema) {
        object = .null
        var checked = config
        check(&checked, .structure(schema), nil, "")
        object = checked
    }

    private mutating func report(_ path: String, _ error: String) {
        if errors.count < Self.maxErrors { errors.append(path.isEmpty ? error : "\(path): \(error)") }
    }

    /// - Parameter form: of plain values.
    private mutating func check(_ value: inout JSON, _ type: MergeType, _ field: Schema.Field?, _ path: String) {
        if value.isNull { return }
        switch type {
        case .leaf:
            leaf(&value, field, path)
        case .any:
            return
        case .structure(let schema):
            structure(&value, schema, path)
        case .map, .mapOfLists:
            guard case .object(var entries) = value else { return report(path, "expected map, got \(value.goValue)") }
            value = .null  // gives up the reference, so that entries change in place
            let entry = type.entry
            entries.mutateValues { name, member in check(&member, entry, field, "\(path).\(name)") }
            value = .object(entries)
        case .set:
            elements(&value, path) { element in
                switch element {
                case .object: .failure("associative list without keys has an element that's a map type")
                case .array: .failure("not supported: associative list with lists as elements")
                case .null: .failure("associative list without keys has an element that's an explicit null")
                default: .success(FieldPath.value(element))
                }
            } inside: {
                $0.leaf(&$1, field, $2)
            }
        case .keyed(let keys, let schema):
            elements(&value, path) { element in
                switch element {
                case .null: return .failure("associative list with keys may not have a null element")
                case .object(let members):
                    if let name = FieldPath.key(element, keys, schema) { return .success(name) }
                    let missing = keys.first { members[$0] == nil && schema.field($0)?.defaultValue.isNull != false }
                    return .failure(
                        "associative list with keys has an element that omits key field \"\(missing ?? "")\" (and doesn't have default value)"
                    )
                default: return .failure("associative list with keys may not have non-map elements")
                }
            } inside: {
                $0.structure(&$1, schema, $2)
            }
        }
    }

    private mutating func structure(_ value: inout JSON, _ schema: Schema, _ path: String) {
        if value.isNull { return }
        guard case .object(var members) = value else { return report(path, "expected map, got \(value.goValue)") }
        value = .null
        members.mutateValues { name, member in
            let path = "\(path).\(name)"
            guard let field = schema.field(name) else { return report(path, "field not declared in schema") }
            check(&member, MergeType(field), field, path)
        }
        value = .object(members)
    }

    private mutating func elements(
        _ value: inout JSON, _ path: String, _ identity: (JSON) -> Outcome,
        inside: (inout AppliedConfiguration, inout JSON, String) -> Void
    ) {
        guard case .array(var elements) = value else { return report(path, "expected list, got \(value.goValue)") }
        value = .null
        var seen: Set<String> = []
        for index in elements.indices {
            switch identity(elements[index]) {
            case .failure(let error): report(path, "element \(index): \(error)")
            case .success(let name):
                let shown = FieldPath.text(name)
                if !seen.insert(name).inserted { report(path, "duplicate entries for key \(shown)") }
                inside(&self, &elements[index], path + shown)
            }
        }
        value = .array(elements)
    }

    private enum Outcome {
        case success(String)
        case failure(String)
    }

    // MARK: leaves

    /// A plain value, or a list, map or struct that is merged as a whole.
    private mutating func leaf(_ value: inout JSON, _ field: Schema.Field?, _ path: String) {
        guard let field else { return }
        switch (field.shape, value) {
        case (.list, .array(var elements)) where field.listType == .atomic:
            value = .null
            for index in elements.indices { single(&elements[index], field.form, "\(path)[\(index)]") }
            value = .array(elements)
        case (.map, .object(var entries)) where field.isAtomic:
            value = .null
            entries.mutateValues { name, entry in single(&entry, field.form, "\(path).\(name)") }
            value = .object(entries)
        case (.list, _) where field.listType == .atomic:
            report(path, "expected list, got \(value.goValue)")
        case (.map, _) where field.isAtomic:
            report(path, "expected map, got \(value.goValue)")
        default:
            single(&value, field.form, path)
        }
    }

    private mutating func single(_ value: inout JSON, _ form: Schema.Form, _ path: String) {
        if value.isNull { return }
        switch form {
        case .object(let schema):
            structure(&value, schema, path)
        case .raw:
            return
        case .int32, .int64, .float64:
            if value.double == nil { report(path, "expected numeric (int or float), got \(value.goTypeName)") }
        case .bool:
            if value.bool == nil { report(path, "expected boolean, got \(value.goValue)") }
        case .quantity, .intOrString:
            if value.isObject || value.array != nil { return report(path, "expected any scalar, got \(value.goValue)") }
            Schema.respell(&value, form)
        default:
            if value.string == nil { return report(path, "expected string, got \(value.goLiteral)") }
            Schema.respell(&value, form)
        }
    }
}

extension JSON {
    /// As Go prints a value of structured merge (`%v`).
    fileprivate var goValue: String {
        switch self {
        case .object(let object):
            "{"
                + object.sorted { $0.key < $1.key }.map { "\(JSON.string($0.key).printed)=\($0.value.goValue)" }
                .joined(separator: "; ") + "}"
        case .array(let elements): "[" + elements.map(\.goValue).joined(separator: "; ") + "]"
        default: printed
        }
    }

    /// As Go prints a value where its type counts (`%#v`).
    fileprivate var goLiteral: String { "&value.valueUnstructured{Value:\(printed)}" }
}
