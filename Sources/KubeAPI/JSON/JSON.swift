/// A JSON value (RFC 8259). Objects keep the order of their keys, as clients see it in answers.
///
/// The tree is the form in which every API object is validated, patched and read; see design.md for why it is not
/// `Codable`. Numbers without fraction and exponent that fit 64 bits are `int`; all others are `double`.
public enum JSON: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    case array([JSON])
    case object(JSONObject)

    /// An object without members.
    public static let emptyObject = JSON.object(JSONObject())

    /// An object of the given members, in that order; members whose value is `null` are left out.
    public static func dict(_ members: KeyValuePairs<String, JSON>) -> JSON {
        var object = JSONObject()
        for (key, value) in members where !value.isNull { object[key] = value }
        return .object(object)
    }
}

extension JSON {
    public var isNull: Bool { if case .null = self { true } else { false } }
    public var isObject: Bool { if case .object = self { true } else { false } }

    /// The value as a string, or nil where it is something else. No conversion.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    /// The value as a Boolean, or nil where it is something else.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The value as an integer; a double without fraction counts.
    public var int: Int? {
        switch self {
        case .int(let value): Int(value)
        case .double(let value): Int(exactly: value)
        default: nil
        }
    }
    /// The value as a floating-point number; an integer counts.
    public var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
    /// The elements, or nil where it is not an array.
    public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    /// The members, or nil where it is not an object.
    public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// The elements, empty where it is not an array: for loops over optional lists.
    public var items: [JSON] { array ?? [] }
    /// The string, empty where it is not one.
    public var stringValue: String { string ?? "" }
    /// A map of strings (labels, annotations, selectors); members of other types are left out.
    public var stringMap: [String: String] {
        guard case .object(let object) = self else { return [:] }
        var result: [String: String] = [:]
        for (key, value) in object { if case .string(let text) = value { result[key] = text } }
        return result
    }

    /// The member of that name; `null` where it is missing or this is not an object. Assigning `null` removes the
    /// member; assigning to a member of `null` makes it an object, so that paths can be written in one go:
    /// `pod["status"]["phase"] = "Running"`.
    public subscript(_ key: String) -> JSON {
        get { if case .object(let object) = self { object[key] ?? .null } else { .null } }
        _modify {
            let wasNull = isNull
            var object: JSONObject
            if case .object(let existing) = self { object = existing } else { object = JSONObject() }
            self = .null  // gives up our reference, so that the write below is in place
            let position = object.positionMakingNull(key)
            defer {
                if object.members[position].value.isNull { object.remove(at: position) }
                // Removing what is not there must not leave an empty object behind.
                self = wasNull && object.isEmpty ? .null : .object(object)
            }
            yield &object.members[position].value
        }
    }

    /// The element at that index; `null` where it is out of range or this is not an array.
    public subscript(_ index: Int) -> JSON {
        get { if case .array(let array) = self, array.indices.contains(index) { array[index] } else { .null } }
        _modify {
            guard case .array(var array) = self, array.indices.contains(index) else {
                var discarded = JSON.null
                yield &discarded
                return
            }
            self = .null
            defer { self = .array(array) }
            yield &array[index]
        }
    }

    /// Appends to the array; makes one out of `null`.
    public mutating func append(_ element: JSON) {
        var array = self.array ?? []
        self = .null
        array.append(element)
        self = .array(array)
    }

    public init(_ map: [String: String]) {
        var object = JSONObject()
        for key in map.keys.sorted() { object[key] = map[key].map(JSON.string) }
        self = .object(object)
    }
    public init(_ strings: [String]) { self = .array(strings.map(JSON.string)) }
    /// `null` for nil.
    public init(_ string: String?) { self = string.map(JSON.string) ?? .null }
    /// `null` for nil.
    public init(_ int: Int?) { self = int.map { .int(Int64($0)) } ?? .null }
    /// `null` for nil.
    public init(_ bool: Bool?) { self = bool.map(JSON.bool) ?? .null }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByStringInterpolation
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        var object = JSONObject()
        for (key, value) in elements where !value.isNull { object[key] = value }
        self = .object(object)
    }
}

extension JSON: Equatable {
    /// Equal as JSON values: the order of an object's keys does not count, and 1 equals 1.0.
    public static func == (left: JSON, right: JSON) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.int(let a), .int(let b)): a == b
        case (.double(let a), .double(let b)): a == b
        case (.int(let a), .double(let b)), (.double(let b), .int(let a)): Double(a) == b
        case (.string(let a), .string(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }
}

extension JSON {
    /// Levels of arrays and objects: 0 for a plain value.
    var depth: Int {
        switch self {
        case .array(let elements): 1 + (elements.lazy.map(\.depth).max() ?? 0)
        case .object(let object): 1 + (object.lazy.map(\.value.depth).max() ?? 0)
        default: 0
        }
    }
}
