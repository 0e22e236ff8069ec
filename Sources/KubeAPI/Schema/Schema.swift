/// The structure of a type of the API: its fields, how their lists merge, what is required.
///
/// The same form will describe custom kinds. Types refer to each other by name, so that recursion costs nothing.
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
        /// Any JSON object (FieldsV1, RawExtension).
        case raw
        /// A string of a closed or open set; `isClosed` ones are validated.
        case enumeration(values: [String], isClosed: Bool)
        /// Fields of its own, by the type's name.
        case object(String)
    }

    public enum Shape: Sendable, Equatable { case single, list, map, mapOfLists }

    public struct Field: Sendable {
        public let name: String
        public let form: Form
        public let shape: Shape
        /// The protobuf field number.
        public let number: Int
        public let isPointer: Bool
        public let isRequired: Bool
        /// A zero value is not written as JSON.
        public let omitsEmpty: Bool
        public let listType: ListType
        /// The whole value is owned and replaced at once by server-side apply.
        public let isAtomic: Bool
        public let patchStrategy: PatchStrategy
        /// The field that identifies an element when a strategic merge patch merges a list.
        public let mergeKey: String?
        public let defaultValue: JSON
    }

    /// `core/v1.Pod`
    public let typeName: String
    /// In the order of declaration, the fields of inlined types in their place.
    public let fields: [Field]
    private let byName: [String: Int]
    private let byNumber: [Int: Int]
    /// Embedded messages whose fields stand in the parent in JSON but not in protobuf: number → type.
    let inlined: [Int: String]

    init(typeName: String, fields: [Field], inlined: [Int: String]) {
        self.typeName = typeName
        self.fields = fields
        self.inlined = inlined
        byName = Dictionary(zip(fields.map(\.name), fields.indices), uniquingKeysWith: { first, _ in first })
        byNumber = Dictionary(
            fields.indices.filter { fields[$0].number > 0 }.map { (fields[$0].number, $0) },
            uniquingKeysWith: { first, _ in first })
    }

    public func field(_ name: String) -> Field? { byName[name].map { fields[$0] } }
    func field(number: Int) -> Field? { byNumber[number].map { fields[$0] } }

    /// The schema of a field whose form is an object.
    public func schema(of field: Field) -> Schema? {
        guard case .object(let name) = field.form else { return nil }
        return SchemaTable.shared[name]
    }
}
