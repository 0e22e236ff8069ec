/// A column of a kind's table, with how its cells are made.
public struct TableColumn: Sendable {
    public let name: String
    /// `string`, `integer`, `date`: what `columnDefinitions[].type` says. Kubernetes calls some columns of numbers
    /// strings.
    public let type: String
    /// `name` for the column that clients use as the object's name, else empty.
    public let format: String
    /// 0 is always shown, 1 only with -o wide.
    public let priority: Int
    /// The cell of an object at that time: a string or a number.
    public let cell: @Sendable (JSON, Timestamp) -> JSON

    public init(
        _ name: String, type: String = "string", format: String = "", priority: Int = 0,
        cell: @escaping @Sendable (JSON, Timestamp) -> JSON
    ) {
        self.name = name
        self.type = type
        self.format = format
        self.priority = priority
        self.cell = cell
    }

    /// The object's name, the first column of every kind.
    static let name = TableColumn("Name", format: "name") { object, _ in .string(object.name) }
    /// How long ago it was made.
    static let age = TableColumn("Age") { object, now in .string(since(object["metadata"]["creationTimestamp"], now)) }

    static func text(_ name: String, priority: Int = 0, _ cell: @escaping @Sendable (JSON) -> String) -> TableColumn {
        TableColumn(name, priority: priority) { object, _ in .string(cell(object)) }
    }
    static func number(_ name: String, _ cell: @escaping @Sendable (JSON) -> Int) -> TableColumn {
        TableColumn(name, type: "integer") { object, _ in .int(Int64(cell(object))) }
    }
    /// Numbers in a column that says string.
    static func count(_ name: String, _ cell: @escaping @Sendable (JSON) -> Int) -> TableColumn {
        TableColumn(name) { object, _ in .int(Int64(cell(object))) }
    }

    /// The age of a moment; `<unknown>` where there is none.
    static func since(_ time: JSON, _ now: Timestamp) -> String {
        guard let moment = Timestamp(time) else { return "<unknown>" }
        return (now - moment).humanDescription
    }

    /// At most three, then how many more.
    static func limited(_ items: [String], count: Int) -> String {
        items.prefix(3).joined(separator: ",") + (count > 3 ? " + \(count - 3) more..." : "")
    }

    /// `a=1,b=2`, sorted; `<none>` for none.
    static func labels(_ map: JSON) -> String {
        let pairs = map.stringMap.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return pairs.isEmpty ? "<none>" : pairs.joined(separator: ",")
    }
}

extension JSON {
    /// The text of a cell; `placeholder` where there is none.
    func cell(_ placeholder: String) -> String {
        if case .string(let text) = self, !text.isEmpty { text } else { placeholder }
    }
}

extension Optional where Wrapped == String {
    /// Nil for the empty string too.
    var nonEmpty: String? { flatMap { $0.isEmpty ? nil : $0 } }
}
