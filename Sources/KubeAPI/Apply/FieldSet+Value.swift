extension FieldSet {
    /// The fields that an object sets. Nil where a list that needs keys lacks them.
    init?(of object: JSON, _ schema: Schema) {
        var node = JSONObject()
        guard Self.members(object, &node, { name in schema.field(name).map { (MergeType($0), isField: true) } }) else {
            return nil
        }
        root = node
    }

    /// The node of one value; `isOwn` where the field is a member itself, whatever is below it. Nil in `node` where it is
    /// not, and nothing is below it.
    private static func node(_ value: JSON, _ type: MergeType, isOwn: Bool) -> (isValid: Bool, node: JSONObject?) {
        var node = JSONObject.node(isMember: isOwn)
        switch (type, value) {
        case (.leaf, _), (.any, .array), (.any, .string), (.any, .int), (.any, .double), (.any, .bool):
            return (true, JSONObject())
        case (.structure(let schema), .object):
            guard members(value, &node, { name in schema.field(name).map { (MergeType($0), isField: true) } }) else {
                return (false, nil)
            }
        case (.map, .object), (.mapOfLists, .object), (.any, .object):
            let entry = type.entry
            guard members(value, &node, { _ in (entry, isField: false) }) else { return (false, nil) }
        case (.set, .array(let values)):
            guard let list = ListElements(values, { FieldPath.value($0) }) else { return (false, nil) }
            for element in list.elements { node.append(element.name, .emptyObject) }
        case (.keyed(let keys, let schema), .array(let values)):
            guard let list = ListElements(values, { FieldPath.key($0, keys, schema) }) else { return (false, nil) }
            let type: MergeType = schema.isAtomic ? .leaf : .structure(schema)
            for element in list.elements {
                let (isValid, below) = Self.node(element.value, type, isOwn: true)
                guard isValid else { return (false, nil) }
                node.append(element.name, .object(below ?? JSONObject()))
            }
        default:
            break
        }
        return (true, node.finished(isMember: isOwn))
    }

    /// Fields of a struct are members where they hold nothing; entries of a map always.
    private static func members(
        _ value: JSON, _ node: inout JSONObject, _ type: (String) -> (MergeType, isField: Bool)?
    ) -> Bool {
        for (name, member) in value.object ?? JSONObject() {
            guard let (type, isField) = type(name) else { continue }
            let isEmpty = member.isNull || member.object?.isEmpty == true
            let (isValid, below) = Self.node(member, type, isOwn: isEmpty || !isField)
            guard isValid else { return false }
            if let below { node.append(FieldPath.field(name), .object(below)) }
        }
        return true
    }

    /// The set with the fields of structs made members that have members below them: so that a struct goes with its last
    /// field.
    func withNamedFields(_ schema: Schema) -> FieldSet {
        FieldSet(root: Self.withNamedFields(root, .structure(schema)))
    }

    /// The set with everything above its members.
    var withAncestors: FieldSet { FieldSet(root: Self.withAncestors(root)) }

    private static func withAncestors(_ node: JSONObject) -> JSONObject {
        var result = JSONObject()
        for (element, below) in node where element != selfName {
            var child = withAncestors(below.fieldNode)
            if !child.isMember { child.append(selfName, .emptyObject) }
            result.append(element, .object(child))
        }
        return result
    }

    private static func withNamedFields(_ node: JSONObject, _ type: MergeType) -> JSONObject {
        var result = JSONObject()
        for (element, below) in node {
            guard element != selfName else {
                result.append(element, below)
                continue
            }
            let inner = type.below(element)
            var child = withNamedFields(below.fieldNode, inner)
            if case .structure(let schema) = type, element.hasPrefix("f:"),
                schema.field(String(element.dropFirst(2))) != nil,
                !child.isMember
            {
                child.append(selfName, .emptyObject)
            }
            result.append(element, .object(child))
        }
        return result
    }
}

extension MergeType {
    /// Of the value under a path element.
    func below(_ element: String) -> MergeType {
        switch self {
        case .structure(let schema):
            schema.field(String(element.dropFirst(2))).map { MergeType($0) } ?? .any
        case .keyed(_, let schema): schema.isAtomic ? .leaf : .structure(schema)
        default: entry
        }
    }
}
