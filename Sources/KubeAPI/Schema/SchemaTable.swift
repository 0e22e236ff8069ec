/// The built-in types. At first use the lines of `SchemaData` are only counted into types; what a type consists of is
/// read when it is first asked for.
final class SchemaTable: Sendable {
    static let shared = SchemaTable(SchemaData.text)

    private struct Alias: Sendable {
        let underlying: String
        let isClosed: Bool
        let values: [String]
    }

    private let text: StaticString
    private let schemas: [String: Schema]
    private let aliases: [String: Alias]

    subscript(_ typeName: String) -> Schema? { schemas[typeName] }
    var typeNames: [String] { schemas.keys.sorted() }

    init(_ text: StaticString) {
        var schemas: [String: Schema] = [:]
        var aliases: [String: Alias] = [:]
        text.withUTF8Buffer { buffer in
            var current: (name: String, isAtomic: Bool, start: Int)?
            func finish(_ end: Int) {
                guard let (name, isAtomic, start) = current else { return }
                schemas[name] = Schema(typeName: name, isAtomic: isAtomic, lines: start..<end)
                current = nil
            }
            var position = 0
            while position < buffer.count {
                let end = buffer[position...].firstIndex(of: UInt8(ascii: "\n")) ?? buffer.count
                if buffer[position] != UInt8(ascii: "F") {
                    finish(position)
                    let columns = Self.columns(buffer[position..<end])
                    switch columns.first {
                    case "T" where columns.count >= 2:
                        current = (columns[1], columns.dropFirst(2).contains("t"), min(end + 1, buffer.count))
                    case "A" where columns.count == 5:
                        aliases[columns[1]] = Alias(
                            underlying: columns[2], isClosed: columns[3] == "e",
                            values: columns[4].split(separator: ",", omittingEmptySubsequences: false).map(String.init))
                    default: break
                    }
                }
                position = end + 1
            }
            finish(buffer.count)
        }
        self.text = text
        self.schemas = schemas
        self.aliases = aliases
    }

    private static func columns(_ line: UnsafeBufferPointer<UInt8>.SubSequence) -> [String] {
        line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// What a type consists of, from its lines.
    func read(_ lines: Range<Int>) -> Schema.Contents {
        let rows = text.withUTF8Buffer { buffer in
            buffer[lines].split(separator: UInt8(ascii: "\n")).map(Self.columns)
        }
        var fields: [Schema.Field] = []
        var inlined: [Int: Schema] = [:]
        for row in rows where row.count == 8 {
            let flags = row[3]
            let number = Int(row[4]) ?? 0
            guard flags.contains("i") else {
                fields.append(field(row))
                continue
            }
            guard let schema = schemas[row[2]] else { continue }
            // The fields of an inlined type stand in its place; their numbers count in their own message alone.
            fields += schema.fields.map(Self.withoutNumber)
            if number > 0 { inlined[number] = schema }
        }
        return Schema.Contents(fields: fields, inlined: inlined)
    }

    private func field(_ row: [String]) -> Schema.Field {
        let has = { (flag: Character) in row[3].contains(flag) }
        var strategy: Schema.PatchStrategy = []
        if has("M") { strategy.insert(.merge) }
        if has("R") { strategy.insert(.replace) }
        if has("K") { strategy.insert(.retainKeys) }
        return Schema.Field(
            name: row[1], form: form(row[2]),
            shape: has("L") ? .mapOfLists : has("m") ? .map : has("l") ? .list : .single,
            number: Int(row[4]) ?? 0, isPointer: has("p"), isRequired: has("r"), isChecked: has("q"),
            omitsEmpty: has("o"),
            listType: has("k") ? .map(keys: row[5].split(separator: ",").map(String.init)) : has("s") ? .set : .atomic,
            isAtomic: has("t"), patchStrategy: strategy, mergeKey: row[6].isEmpty ? nil : row[6],
            defaultValue: Self.literal(row[7]))
    }

    private static func withoutNumber(_ field: Schema.Field) -> Schema.Field {
        Schema.Field(
            name: field.name, form: field.form, shape: field.shape, isPointer: field.isPointer,
            isRequired: field.isRequired, isChecked: field.isChecked, omitsEmpty: field.omitsEmpty,
            listType: field.listType, isAtomic: field.isAtomic, patchStrategy: field.patchStrategy,
            mergeKey: field.mergeKey, defaultValue: field.defaultValue)
    }

    private func form(_ type: String) -> Schema.Form {
        switch type {
        case "string": return .string
        case "bool": return .bool
        case "int32": return .int32
        case "int64": return .int64
        case "float64": return .float64
        case "bytes": return .bytes
        case "meta/v1.Time": return .time
        case "meta/v1.MicroTime": return .microTime
        case "meta/v1.Duration": return .duration
        case "Quantity": return .quantity
        case "IntOrString": return .intOrString
        default: break
        }
        if let alias = aliases[type] {
            guard alias.underlying == "string" else { return form(alias.underlying) }
            return .enumeration(
                name: type.split(separator: "/").last.map(String.init) ?? type,
                values: alias.values.filter { !$0.isEmpty }, isClosed: alias.isClosed)
        }
        return schemas[type].map { .object($0) } ?? .raw
    }

    /// A default as the facts give it: a JSON literal.
    private static func literal(_ text: String) -> JSON {
        guard !text.isEmpty, let value = try? JSON.parse(text) else { return .null }  // else: a default we can't read
        return value
    }
}
