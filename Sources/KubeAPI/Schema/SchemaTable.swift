/// All schemas, read from `SchemaData` at first use (about a millisecond).
struct SchemaTable: Sendable {
    static let shared = SchemaTable(reading: SchemaData.text)

    private let schemas: [String: Schema]

    subscript(_ typeName: String) -> Schema? { schemas[typeName] }
    var typeNames: [String] { schemas.keys.sorted() }

    private struct RawField {
        let name: String
        let type: String
        let flags: String
        let number: Int
        let listMapKeys: [String]
        let mergeKey: String
        let defaultText: String
    }

    private struct Alias {
        let underlying: String
        let isClosed: Bool
        let values: [String]
    }

    init(reading text: StaticString) {
        var raw: [String: [RawField]] = [:]
        var aliases: [String: Alias] = [:]
        var wellKnown: Set<String> = []
        var current = ""
        let whole = text.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
        for line in whole.split(separator: "\n") {
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            switch columns[0] {
            case "T":
                current = columns[1]
                raw[current] = []
            case "W":
                wellKnown.insert(columns[1])
            case "A":
                aliases[columns[1]] = Alias(
                    underlying: columns[2], isClosed: columns[3] == "e",
                    values: columns[4].split(separator: ",").map(String.init))
            default:
                raw[current]?.append(
                    RawField(
                        name: columns[1], type: columns[2], flags: columns[3], number: Int(columns[4]) ?? 0,
                        listMapKeys: columns[6].split(separator: ",").map(String.init), mergeKey: columns[7],
                        defaultText: columns[8]))
            }
        }

        func form(_ type: String) -> Schema.Form {
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
                return alias.values.isEmpty
                    ? .string : .enumeration(values: alias.values, isClosed: alias.isClosed)
            }
            return wellKnown.contains(type) || raw[type] == nil ? .raw : .object(type)
        }

        /// The fields of a type, those of inlined types in their place; their numbers count only in their own message.
        func fields(_ type: String, isInlined: Bool) -> [Schema.Field] {
            var result: [Schema.Field] = []
            for field in raw[type] ?? [] {
                if field.flags.contains("i") {
                    result += fields(field.type, isInlined: true)
                    continue
                }
                let has = { (flag: Character) in field.flags.contains(flag) }
                var strategy: Schema.PatchStrategy = []
                if has("M") { strategy.insert(.merge) }
                if has("R") { strategy.insert(.replace) }
                if has("K") { strategy.insert(.retainKeys) }
                result.append(
                    Schema.Field(
                        name: field.name, form: form(field.type),
                        shape: has("L") ? .mapOfLists : has("m") ? .map : has("l") ? .list : .single,
                        number: isInlined ? 0 : field.number, isPointer: has("p"), isRequired: has("r"),
                        omitsEmpty: has("o"),
                        listType: has("k") ? .map(keys: field.listMapKeys) : has("s") ? .set : .atomic,
                        isAtomic: has("t"), patchStrategy: strategy,
                        mergeKey: field.mergeKey.isEmpty ? nil : field.mergeKey,
                        defaultValue: Self.value(field.defaultText)))
            }
            return result
        }

        schemas = Dictionary(
            uniqueKeysWithValues: raw.keys.map { type in
                let inlined = (raw[type] ?? []).filter { $0.flags.contains("i") && $0.number > 0 }
                return (
                    type,
                    Schema(
                        typeName: type, fields: fields(type, isInlined: false),
                        inlined: Dictionary(
                            inlined.map { ($0.number, $0.type) }, uniquingKeysWith: { first, _ in first }))
                )
            })
    }

    /// A default as the facts give it: a JSON literal. Empty strings and zeros are the zero values anyway.
    private static func value(_ text: String) -> JSON {
        guard !text.isEmpty, text != "\"\"", let value = try? JSON.parse(Array(text.utf8)) else {  // else: no default
            return .null
        }
        return value
    }
}
