/// The members of a JSON object, in order of insertion, each name once.
///
/// API objects have few members at each level, where a linear search over short strings beats hashing. A map of many
/// (a ConfigMap's data) gets an index beyond `indexThreshold` members, so that look-ups stay constant in time.
public struct JSONObject: Sendable {
    static let indexThreshold = 24

    var keys: [String] = []
    var values: [JSON] = []
    /// Position by key; nil while there are few members.
    var index: [String: Int]?

    public init() {}

    public var count: Int { keys.count }
    public var isEmpty: Bool { keys.isEmpty }
    /// The names of the members, in order.
    public var names: [String] { keys }

    func position(of key: String) -> Int? {
        if let index { return index[key] }
        for position in keys.indices where keys[position] == key { return position }
        return nil
    }

    /// The member of that name; assigning nil removes it, assigning `JSON.null` stores a null.
    public subscript(_ key: String) -> JSON? {
        get { position(of: key).map { values[$0] } }
        set {
            if let position = position(of: key) {
                if let newValue { values[position] = newValue } else { remove(at: position) }
            } else if let newValue {
                append(key, newValue)
            }
        }
    }

    /// Whether there is a member of that name, be it null.
    public func contains(_ key: String) -> Bool { position(of: key) != nil }

    /// Appends without looking for an earlier member of the name: for parsers that have looked.
    mutating func append(_ key: String, _ value: JSON) {
        keys.append(key)
        values.append(value)
        if index != nil {
            index![key] = keys.count - 1
        } else if keys.count > Self.indexThreshold {
            index = Dictionary(uniqueKeysWithValues: zip(keys, keys.indices))
        }
    }

    private mutating func remove(at position: Int) {
        keys.remove(at: position)
        values.remove(at: position)
        if index != nil { index = Dictionary(uniqueKeysWithValues: zip(keys, keys.indices)) }
    }

    /// Removes and returns the member of that name.
    @discardableResult
    public mutating func removeValue(_ key: String) -> JSON? {
        guard let position = position(of: key) else { return nil }
        let value = values[position]
        remove(at: position)
        return value
    }

    /// Hands out a member for change in place, leaving null in its slot. Ends with `putBack`.
    mutating func takeValue(_ key: String) -> JSON {
        guard let position = position(of: key) else { return .null }
        var value = JSON.null
        swap(&value, &values[position])
        return value
    }

    /// Stores what `takeValue` gave, changed; null removes the member.
    mutating func putBack(_ key: String, _ value: JSON) {
        if let position = position(of: key) {
            if value.isNull { remove(at: position) } else { values[position] = value }
        } else if !value.isNull {
            append(key, value)
        }
    }
}

extension JSONObject: Sequence {
    public func makeIterator() -> AnyIterator<(key: String, value: JSON)> {
        var position = 0
        let keys = keys
        let values = values
        return AnyIterator {
            guard position < keys.count else { return nil }
            defer { position += 1 }
            return (keys[position], values[position])
        }
    }
}

extension JSONObject: Equatable {
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        guard left.count == right.count else { return false }
        for (key, value) in left {
            guard let other = right[key], other == value else { return false }
        }
        return true
    }
}
