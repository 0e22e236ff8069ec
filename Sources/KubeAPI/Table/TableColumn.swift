/// A column of a kind's table, with how its cells are made.
public struct TableColumn: Sendable {
    public let name: String
    /// `string`, `integer`, `date`: what `columnDefinitions[].type` says.
    public let type: String
    public let format: String
    /// 0 is always shown, 1 only with -o wide.
    public let priority: Int
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
    static let age = TableColumn("Age") { object, now in
        .string(HumanDuration.since(object["metadata"]["creationTimestamp"].string, now))
    }

    static func text(_ name: String, priority: Int = 0, _ cell: @escaping @Sendable (JSON) -> String) -> TableColumn {
        TableColumn(name, priority: priority) { object, _ in .string(cell(object)) }
    }
    static func number(_ name: String, _ cell: @escaping @Sendable (JSON) -> Int) -> TableColumn {
        TableColumn(name, type: "integer", format: "int32") { object, _ in .int(Int64(cell(object))) }
    }
}

/// A stretch of time in two units at most, as kubectl prints ages: `45s`, `3m12s`, `5h`, `12d`.
public enum HumanDuration {
    public static func text(seconds: Int) -> String {
        if seconds < -1 { return "<invalid>" }
        if seconds < 0 { return "0s" }
        if seconds < 60 * 2 { return "\(seconds)s" }
        let minutes = seconds / 60
        if minutes < 10 { return with(minutes, "m", seconds % 60, "s") }
        if minutes < 60 * 3 { return "\(minutes)m" }
        let hours = seconds / 3600
        if hours < 8 { return with(hours, "h", minutes % 60, "m") }
        if hours < 48 { return "\(hours)h" }
        if hours < 24 * 8 { return with(hours / 24, "d", hours % 24, "h") }
        if hours < 24 * 365 * 2 { return "\(hours / 24)d" }
        if hours < 24 * 365 * 8 { return with(hours / 24 / 365, "y", hours / 24 % 365, "d") }
        return "\(hours / 24 / 365)y"
    }

    private static func with(_ large: Int, _ unit: String, _ small: Int, _ smallUnit: String) -> String {
        small == 0 ? "\(large)\(unit)" : "\(large)\(unit)\(small)\(smallUnit)"
    }

    /// The age of a moment; `<unknown>` where there is none.
    public static func since(_ rfc3339: String?, _ now: Timestamp) -> String {
        guard let rfc3339, let moment = Timestamp(rfc3339: rfc3339) else { return "<unknown>" }
        return text(seconds: Int((now.unixNanos - moment.unixNanos) / 1_000_000_000))
    }
}
