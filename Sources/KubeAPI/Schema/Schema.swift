import Synchronization

/// The structure of a type of the API: its fields, how their lists merge, what is required.
///
/// The same form will describe custom kinds. Types refer to each other, also in circles; the fields of a built-in type
/// are read from `SchemaData` when they are first asked for, so that a process pays only for the types it meets.
public final class Schema: Sendable {
    /// How a list is merged by server-side apply and keyed by validation.
    public enum ListType: Sendable, Equatable {
        case atomic
        case set
        case map(keys: [String])
    }

    /// How a strategic merge patch treats a list or a map (`patchStrategy`).
    public struct PatchStrategy: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let merge = PatchStrategy(rawValue: 1)
        public static let replace = PatchStrategy(rawValue: 2)
        public static let retainKeys = PatchStrategy(rawValue: 4)
    }

    /// What a value may be.
    public enum Form: Sendable, Equatable {
        case string, bool, int32, int64, float64
        /// Base64 in JSON, raw in protobuf.
        case bytes
        /// RFC 3339; in protobuf seconds and nanoseconds.
        case time, microTime
        case duration
        case quantity
        case intOrString
        /// Any JSON value (FieldsV1, RawExtension).
        case raw
        /// A string of a set; where the set is closed, other values are refused. `name` is the Go type.
        case enumeration(name: String, values: [String], isClosed: Bool)
        /// Fields of its own.
        case object(Schema)
    }

    public enum Shape: Sendable, Equatable { case single, list, map, mapOfLists }

    public final class Field: Sendable {
        public let name: String
        public let form: Form
        public let shape: Shape
        /// The protobuf field number; 0 for the fields of inlined types, whose numbers count in their own message.
        public let number: Int
        public let isPointer: Bool
        /// Always there in what a server sends (OpenAPI's `required`).
        public let isRequired: Bool
        /// Refused when missing or empty.
        public let isChecked: Bool
        /// A zero value is not written as JSON.
        public let omitsEmpty: Bool
        public let listType: ListType
        /// The whole value is owned and replaced at once by server-side apply.
        public let isAtomic: Bool
        public let patchStrategy: PatchStrategy
        /// The field that identifies an element when a strategic merge patch merges a list.
        public let mergeKey: String?
        /// `null` for none.
        public let defaultValue: JSON

        init(
            name: String, form: Form, shape: Shape = .single, number: Int = 0, isPointer: Bool = false,
            isRequired: Bool = false, isChecked: Bool = false, omitsEmpty: Bool = true, listType: ListType = .atomic,
            isAtomic: Bool = false, patchStrategy: PatchStrategy = [], mergeKey: String? = nil,
            defaultValue: JSON = .null
        ) {
            self.name = name
            self.form = form
            self.shape = shape
            self.number = number
            self.isPointer = isPointer
            self.isRequired = isRequired
            self.isChecked = isChecked
            self.omitsEmpty = omitsEmpty
            self.listType = listType
            self.isAtomic = isAtomic
            self.patchStrategy = patchStrategy
            self.mergeKey = mergeKey
            self.defaultValue = defaultValue
        }

        /// The fields of the values, where they have fields.
        public var schema: Schema? { if case .object(let schema) = form { schema } else { nil } }
    }

    /// What a type consists of, and how to find it.
    final class Contents: Sendable {
        let fields: [Field]
        /// Embedded messages whose fields stand in the parent in JSON but not in protobuf, by number.
        let inlined: [Int: Schema]
        let byName: [String: Field]
        let byNumber: [Int: Field]

        init(fields: [Field], inlined: [Int: Schema]) {
            self.fields = fields
            self.inlined = inlined
            byName = Dictionary(fields.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
            byNumber = Dictionary(
                fields.lazy.filter { $0.number > 0 }.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// `core/v1.Pod`
    public let typeName: String
    /// Values of the type are owned and replaced at once by server-side apply, wherever they are.
    public let isAtomic: Bool
    private let lines: Range<Int>
    private let loaded = OnceReference<Contents>()
    private let plan = OnceReference<DefaultsPlan>()

    /// A type whose fields stand in these bytes of `SchemaData`.
    init(typeName: String, isAtomic: Bool, lines: Range<Int>) {
        self.typeName = typeName
        self.isAtomic = isAtomic
        self.lines = lines
    }

    /// A type with these fields.
    init(typeName: String, fields: [Field]) {
        self.typeName = typeName
        isAtomic = false
        lines = 0..<0
        _ = loaded.storeIfNil(Contents(fields: fields, inlined: [:]))
    }

    var contents: Contents { loaded.load() ?? loaded.storeIfNil(SchemaTable.shared.read(lines)) }
    var defaultsPlan: DefaultsPlan { plan.load() ?? plan.storeIfNil(DefaultsPlan(self)) }

    /// In the order of declaration, the fields of inlined types in their place.
    public var fields: [Field] { contents.fields }

    public func field(_ name: String) -> Field? { contents.byName[name] }
    func field(number: Int) -> Field? { contents.byNumber[number] }

    /// `Pod`, of `core/v1.Pod`: how Go's messages name the type.
    public var goName: String { typeName.split(separator: ".").last.map(String.init) ?? typeName }
    /// `v1.Pod`
    var qualifiedGoName: String { typeName.split(separator: "/").last.map(String.init) ?? typeName }
}

extension Schema: Equatable {
    public static func == (left: Schema, right: Schema) -> Bool { left === right }
}
