/// The members of a JSON object, in order of insertion, each name once.
///
/// API objects have few members at each level, where a linear search over short strings beats hashing. A map of many
/// (a ConfigMap's data) gets an index beyond `indexThreshold` members, so that look-ups stay constant in time.
public struct JSONObject: Sendable {
    public typealias Member = (key: String, value: JSON)
    static let indexThreshold = 24

    var members: [Member] = []
    /// Position by key; nil while there are few members.
    var index: [String: Int]?

    public init() {}

    /// For parsers, which have seen to it that names are unique.
    init(uniqueMembers members: [Member], index: [String: Int]? = nil) {
        self.members = members
        self.index = index
        if index == nil, members.count > Self.indexThreshold { rebuildIndex() }
    }

    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }
    /// The names of the members, in order.
    public var names: [String] { members.map(\.key) }

    func position(of key: String) -> Int? {
        if let index { return index[key] }
        return members.withUnsafeBufferPointer { members in
            for position in members.indices where members[position].key == key { return position }
            return nil
        }
    }

    /// The member of that name; assigning nil removes it, assigning `JSON.null` stores a null.
    public subscript(_ key: String) -> JSON? {
        get { position(of: key).map { members[$0].value } }
        set {
            if let position = position(of: key) {
                if let newValue { members[position].value = newValue } else { remove(at: position) }
            } else if let newValue {
                append(key, newValue)
            }
        }
    }

    /// Whether there is a member of that name, be it null.
    public func contains(_ key: String) -> Bool { position(of: key) != nil }

    public mutating func reserveCapacity(_ count: Int) { members.reserveCapacity(count) }

    /// Appends without looking for an earlier member of the name: for those that have looked.
    mutating func append(_ key: String, _ value: JSON) {
        members.append((key, value))
        if index != nil {
            index?[key] = members.count - 1
        } else if members.count > Self.indexThreshold {
            rebuildIndex()
        }
    }

    private mutating func rebuildIndex() {
        guard members.count > Self.indexThreshold else {
            index = nil
            return
        }
        var fresh = [String: Int](minimumCapacity: members.count)
        for position in members.indices { fresh[members[position].key] = position }
        index = fresh
    }

    mutating func remove(at position: Int) {
        let key = members.remove(at: position).key
        guard index != nil else { return }
        index?[key] = nil
        guard position < members.count, var moved = index else { return }
        index = nil  // gives up the second reference
        // Moving the positions in place costs a tenth of hashing all names again.
        for slot in moved.values.indices where moved.values[slot] > position { moved.values[slot] -= 1 }
        index = moved
    }

    /// Removes and returns the member of that name. In a large object this is linear in time: use `removeAll(where:)`
    /// to remove many.
    @discardableResult
    public mutating func removeValue(_ key: String) -> JSON? {
        guard let position = position(of: key) else { return nil }
        let value = members[position].value
        remove(at: position)
        return value
    }

    /// Removes all members for which the predicate holds, in one pass.
    public mutating func removeAll(where isRemoved: (Member) throws -> Bool) rethrows {
        let before = members.count
        try members.removeAll(where: isRemoved)
        if index != nil, members.count != before { rebuildIndex() }
    }

    /// Changes every value in place, in order; the key is for reading.
    public mutating func mutateValues(_ body: (_ key: String, _ value: inout JSON) throws -> Void) rethrows {
        for position in members.indices { try body(members[position].key, &members[position].value) }
    }

    /// The position of the member of that name, which is made, as null, where there is none.
    mutating func positionMakingNull(_ key: String) -> Int {
        if let position = position(of: key) { return position }
        append(key, .null)
        return members.count - 1
    }
}

extension JSONObject: Sequence {
    public func makeIterator() -> IndexingIterator<[Member]> { members.makeIterator() }
    public var underestimatedCount: Int { members.count }
}

extension JSONObject: Equatable {
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        guard left.count == right.count else { return false }
        for position in left.members.indices {
            let member = left.members[position]
            // Most often both sides have the same order.
            if right.members[position].key == member.key {
                guard right.members[position].value == member.value else { return false }
            } else {
                guard let other = right[member.key], other == member.value else { return false }
            }
        }
        return true
    }
}
