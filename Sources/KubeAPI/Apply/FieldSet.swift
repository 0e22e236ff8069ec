/// A set of fields of an object, as `managedFields` holds it (FieldsV1).
///
/// Kept in the form in which it is stored: nested objects whose names are path elements (`f:name`, `k:{"name":"web"}`,
/// `v:"value"`), where `.` makes a field with fields below it a member itself and an empty object is a member without
/// any. Thus sets are read from and written to objects without being converted.
public struct FieldSet: Sendable, Equatable {
    /// What is below the object itself; empty for the empty set.
    var root: JSONObject

    public init() { root = JSONObject() }
    init(root: JSONObject?) { self.root = root ?? JSONObject() }

    /// The form that is stored.
    public var json: JSON { .object(root) }
    public var isEmpty: Bool { root.isEmpty }

    func union(_ other: FieldSet) -> FieldSet {
        if isEmpty { return other }
        return other.isEmpty ? self : FieldSet(root: Self.union(root, other.root, isRoot: true))
    }

    func subtracting(_ other: FieldSet) -> FieldSet {
        other.isEmpty ? self : FieldSet(root: Self.difference(root, other.root, isRoot: true))
    }

    func intersection(_ other: FieldSet) -> FieldSet {
        FieldSet(root: Self.intersection(root, other.root, isRoot: true))
    }

    /// Without the members of the other set and all that is below them.
    func subtractingDeeply(_ other: FieldSet) -> FieldSet {
        other.isEmpty ? self : FieldSet(root: Self.deepDifference(root, other.root, isRoot: true))
    }

    // MARK: nodes

    /// What makes the field of a node itself a member, beside what is below it.
    static let selfName = "."

    private static func union(_ left: JSONObject, _ right: JSONObject, isRoot: Bool) -> JSONObject {
        let isMember = !isRoot && (left.isMember || right.isMember)
        var node = JSONObject.node(isMember: isMember)
        for (name, below) in left where name != selfName {
            if let other = right[name] {
                node.append(name, .object(union(below.fieldNode, other.fieldNode, isRoot: false)))
            } else {
                node.append(name, below)
            }
        }
        for (name, below) in right where name != selfName && !left.contains(name) { node.append(name, below) }
        return node.finished(isMember: isMember) ?? JSONObject()
    }

    private static func difference(_ left: JSONObject, _ right: JSONObject, isRoot: Bool) -> JSONObject? {
        let isMember = !isRoot && left.isMember && !right.isMember
        var node = JSONObject.node(isMember: isMember)
        for (name, below) in left where name != selfName {
            guard let other = right[name] else {
                node.append(name, below)
                continue
            }
            if let rest = difference(below.fieldNode, other.fieldNode, isRoot: false) {
                node.append(name, .object(rest))
            }
        }
        return node.finished(isMember: isMember)
    }

    private static func deepDifference(_ left: JSONObject, _ right: JSONObject, isRoot: Bool) -> JSONObject? {
        if !isRoot, right.isMember { return nil }
        let isMember = !isRoot && left.isMember
        var node = JSONObject.node(isMember: isMember)
        for (name, below) in left where name != selfName {
            guard let other = right[name] else {
                node.append(name, below)
                continue
            }
            if let rest = deepDifference(below.fieldNode, other.fieldNode, isRoot: false) {
                node.append(name, .object(rest))
            }
        }
        return node.finished(isMember: isMember)
    }

    private static func intersection(_ left: JSONObject, _ right: JSONObject, isRoot: Bool) -> JSONObject? {
        let isMember = !isRoot && left.isMember && right.isMember
        var node = JSONObject.node(isMember: isMember)
        for (name, below) in left where name != selfName {
            guard let other = right[name],
                let both = intersection(below.fieldNode, other.fieldNode, isRoot: false)
            else { continue }
            node.append(name, .object(both))
        }
        return node.finished(isMember: isMember)
    }
}

extension JSONObject {
    /// Whether the field of a set's node is a member itself.
    var isMember: Bool { isEmpty || contains(FieldSet.selfName) }

    static func node(isMember: Bool) -> JSONObject {
        var node = JSONObject()
        if isMember { node.append(FieldSet.selfName, .emptyObject) }
        return node
    }

    /// The node in its one form; nil where nothing is in it.
    func finished(isMember: Bool) -> JSONObject? {
        if isMember, count == 1 { return JSONObject() }
        return isEmpty && !isMember ? nil : self
    }
}

extension JSON {
    /// A node of a set; what is no object counts as a member without fields.
    var fieldNode: JSONObject { object ?? JSONObject() }
}
