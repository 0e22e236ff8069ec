/// Which fields two states of an object differ in.
///
/// In the hot path of every write: one walk over both trees, which makes nothing for what is equal.
struct FieldComparison {
    /// Fields that are new or have another value.
    private(set) var changed = FieldSet()
    /// Fields that are there no more.
    private(set) var removed = FieldSet()

    var isEmpty: Bool { changed.isEmpty && removed.isEmpty }

    /// What nobody owns: identity, and what the server alone decides.
    static let unowned: Set<String> = [
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
        "resourceVersion",
    ]

    /// - Parameter ignored: fields of the object that do not count (`status` for all but its own subresource).
    init(_ old: JSON, _ new: JSON, _ schema: Schema, ignoring ignored: Set<String> = []) {
        var node = Node()
        let fields = (old.object ?? JSONObject(), new.object ?? JSONObject())
        Self.members(fields.0, fields.1, &node) { name in
            if name == "kind" || name == "apiVersion" || ignored.contains(name) { return nil }
            guard let field = schema.field(name) else { return nil }
            return (MergeType(field), field.isAlwaysWritten)
        } descend: { name, left, right, type in
            guard name == "metadata", case .structure(let schema) = type else { return Self.compare(left, right, type) }
            var node = Node()
            Self.members(left?.object ?? JSONObject(), right?.object ?? JSONObject(), &node) { name in
                if Self.unowned.contains(name) { return nil }
                return schema.field(name).map { (MergeType($0), $0.isAlwaysWritten) }
            } descend: {
                Self.compare($1, $2, $3)
            }
            return node
        }
        changed = FieldSet(root: node.changed)
        removed = FieldSet(root: node.removed)
    }

    /// The differences below one field, where there are any.
    private struct Node {
        var changed: JSONObject?
        var removed: JSONObject?

        static let none = Node()
        static let changedLeaf = Node(changed: JSONObject(), removed: nil)
        static let removedLeaf = Node(changed: nil, removed: JSONObject())

        mutating func add(_ element: @autoclosure () -> String, _ below: Node) {
            if let fields = below.changed {
                if changed == nil { changed = JSONObject() }
                changed?.append(element(), .object(fields))
            }
            if let fields = below.removed {
                if removed == nil { removed = JSONObject() }
                removed?.append(element(), .object(fields))
            }
        }

        /// For a container: it is new or gone itself where one side does not have it.
        init(isNew: Bool, isGone: Bool) {
            changed = isNew ? JSONObject.node(isMember: true) : nil
            removed = isGone ? JSONObject.node(isMember: true) : nil
        }

        init(changed: JSONObject? = nil, removed: JSONObject? = nil) {
            self.changed = changed
            self.removed = removed
        }

        func finished(isNew: Bool, isGone: Bool) -> Node {
            Node(
                changed: isNew ? changed?.finished(isMember: true) : changed,
                removed: isGone ? removed?.finished(isMember: true) : removed)
        }
    }

    /// Nil stands for what is not there, null for what is there without a value.
    private static func compare(_ left: JSON?, _ right: JSON?, _ type: MergeType) -> Node {
        switch type {
        case .leaf:
            return leaf(left, right)
        case .structure(let schema):
            return object(left, right) { name in schema.field(name).map { (MergeType($0), $0.isAlwaysWritten) } }
        case .map(let field):
            let entry = MergeType(elementOf: field)
            return object(left, right) { _ in (entry, false) }
        case .mapOfLists:
            return object(left, right) { _ in (.leaf, false) }
        case .any:
            guard left?.isObject ?? true, right?.isObject ?? true else { return leaf(left, right) }
            return object(left, right) { _ in (.any, false) }
        case .set:
            return list(left, right, .leaf) { FieldPath.value($0) }
        case .keyed(let keys, let schema):
            let element: MergeType = schema.isAtomic ? .leaf : .structure(schema)
            return list(left, right, element) { FieldPath.key($0, keys, schema) }
        }
    }

    private static func leaf(_ left: JSON?, _ right: JSON?) -> Node {
        switch (left, right) {
        case (nil, nil): return .none
        case (nil, _?): return .changedLeaf
        case (_?, nil): return .removedLeaf
        case (let left?, let right?):
            if left == right || left.isNull && (right.isZero || right.isHollow)
                || right.isNull && (left.isZero || left.isHollow)
            {
                return .none
            }
            return .changedLeaf
        }
    }

    private static func object(
        _ left: JSON?, _ right: JSON?, _ field: (String) -> (MergeType, isAlwaysWritten: Bool)?
    ) -> Node {
        // Two empty ones count as plain values.
        if left?.isHollow ?? true, right?.isHollow ?? true { return leaf(left, right) }
        guard left?.isObject ?? true || left?.isNull ?? true, right?.isObject ?? true || right?.isNull ?? true else {
            return leaf(left, right)
        }
        let isNew = left == nil
        let isGone = right == nil
        var node = Node(isNew: isNew, isGone: isGone)
        // What is there without a value has no members, but is there.
        members(left.map { $0.object ?? JSONObject() }, right.map { $0.object ?? JSONObject() }, &node, field) {
            compare($1, $2, $3)
        }
        return node.finished(isNew: isNew, isGone: isGone)
    }

    /// Compares the members of two objects; nil for one that is not there, so that none of its members is either.
    @inline(__always)
    private static func members(
        _ left: JSONObject?, _ right: JSONObject?, _ node: inout Node,
        _ field: (String) -> (MergeType, isAlwaysWritten: Bool)?,
        descend: (String, JSON?, JSON?, MergeType) -> Node
    ) {
        if let right {
            for (name, value) in right {
                let before = left?[name]
                guard let (type, isAlwaysWritten) = field(name) else { continue }
                let below = descend(name, before ?? (left != nil && isAlwaysWritten ? .null : nil), value, type)
                node.add(FieldPath.field(name), below)
            }
        }
        guard let left else { return }
        for (name, value) in left where right?.contains(name) != true {
            guard let (type, isAlwaysWritten) = field(name) else { continue }
            let below = descend(name, value, right != nil && isAlwaysWritten ? .null : nil, type)
            node.add(FieldPath.field(name), below)
        }
    }

    // MARK: lists

    private static func list(
        _ left: JSON?, _ right: JSON?, _ type: MergeType, _ identity: (JSON) -> String?
    ) -> Node {
        if left?.isHollow ?? true, right?.isHollow ?? true { return leaf(left, right) }
        if let left, let right, left == right { return .none }
        guard let before = ListElements(left?.items ?? [], identity),
            let after = ListElements(right?.items ?? [], identity)
        else { return leaf(left, right) }
        let isNew = left == nil
        let isGone = right == nil
        var node = Node(isNew: isNew, isGone: isGone)
        var isMet = [Bool](repeating: false, count: before.elements.count)
        for (position, element) in after.elements.enumerated() {
            var earlier: ListElements.Element?
            if let found = before.position(of: element.name, guess: position) {
                isMet[found] = true
                earlier = before.elements[found]
            }
            node.add(element.name, compare(earlier, element, type))
        }
        for (position, element) in before.elements.enumerated() where !isMet[position] {
            node.add(element.name, compare(element, nil, type))
        }
        return node.finished(isNew: isNew, isGone: isGone)
    }

    private static func compare(
        _ left: ListElements.Element?, _ right: ListElements.Element?, _ type: MergeType
    ) -> Node {
        if left?.all == nil, right?.all == nil { return compare(left?.value, right?.value, type) }
        // Several of one identity are compared as a whole.
        return leaf(
            left.map { .array($0.all ?? [$0.value]) }, right.map { .array($0.all ?? [$0.value]) })
    }
}
