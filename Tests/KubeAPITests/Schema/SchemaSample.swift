@testable import KubeAPI
import Testing

/// Random objects that a schema allows, in the form in which Kubernetes writes them: what tests of every kind feed on.
struct SchemaSample {
    var random: SeededGenerator
    /// Of a hundred optional fields so many are there.
    var percentage = 35
    var maxDepth = 7

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// All kinds that are served, and the bodies that are not kinds of their own.
    static let kinds: [(apiVersion: String, kind: String)] =
        (Scheme.builtin.resources + Scheme.builtin.actions).map { ($0.path.apiVersion, $0.path.kind) } + [
            ("v1", "DeleteOptions"), ("autoscaling/v1", "Scale"), ("policy/v1", "Eviction"), ("v1", "Status"),
        ]

    static func schema(_ kind: (apiVersion: String, kind: String)) throws -> Schema {
        try #require(Scheme.builtin.schema(apiVersion: kind.apiVersion, kind: kind.kind))
    }

    mutating func object(_ kind: (apiVersion: String, kind: String)) throws -> JSON {
        let schema = try Self.schema(kind)
        var value = object(schema, depth: 0)
        value["apiVersion"] = .string(kind.apiVersion)
        value["kind"] = .string(kind.kind)
        schema.normalize(&value)
        return value
    }

    private mutating func chance(_ percentage: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percentage }
    private mutating func pick<Value>(_ values: [Value], or fallback: Value) -> Value {
        values.randomElement(using: &random) ?? fallback
    }

    private mutating func object(_ schema: Schema, depth: Int) -> JSON {
        var object = JSONObject()
        guard depth < maxDepth else { return .object(object) }
        // Kind and version of the whole stand in no message of protobuf.
        for field in schema.fields where field.number > 0 || !["apiVersion", "kind"].contains(field.name) {
            guard chance(field.isChecked ? 100 : depth < 2 ? 80 : percentage) else { continue }
            object[field.name] = value(field, depth: depth)
        }
        return .object(object)
    }

    private mutating func value(_ field: Schema.Field, depth: Int) -> JSON {
        switch field.shape {
        case .single: return single(field.form, depth: depth)
        case .list:
            let count = Int.random(in: 1..<4, using: &random)
            return .array((0..<count).map { _ in single(field.form, depth: depth) })
        case .map:
            var map = JSONObject()
            for _ in 0..<Int.random(in: 1..<4, using: &random) { map[text()] = single(field.form, depth: depth) }
            return .object(map)
        case .mapOfLists:
            return .object(JSONObject(uniqueMembers: [(text(), .array([single(field.form, depth: depth)]))]))
        }
    }

    private mutating func text() -> String {
        pick(["a", "web-1", "x.y/z", "é", "10.0.0.1", "two words", "名"], or: "a")
            + String(Int.random(in: 0..<9, using: &random))
    }

    private mutating func single(_ form: Schema.Form, depth: Int) -> JSON {
        switch form {
        case .string: return .string(text())
        case .bool: return .bool(chance(50))
        case .int32: return .int(pick([0, 1, -1, 80, Int64(Int32.max), Int64(Int32.min)], or: 1))
        case .int64: return .int(pick([0, 1, -1, .max, .min, 1 << 40], or: 1))
        case .float64: return .double(1.5)
        case .bytes: return .string(Base64.encode((0..<Int.random(in: 0..<9, using: &random)).map { UInt8($0 * 31) }))
        case .time:
            return .string(
                pick(
                    ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "9999-12-31T23:59:59Z", "0099-01-01T00:00:00Z"],
                    or: ""))
        case .microTime: return .string(pick(["2024-01-02T03:04:05.000006Z", "1969-12-31T23:59:59.999999Z"], or: ""))
        case .duration: return .string(pick(["1s", "5m0s", "0s", "-1.5s"], or: ""))
        case .quantity: return .string(pick(["0", "500m", "1Gi", "1500m", "2.500", "12e6", "-1"], or: ""))
        case .intOrString: return pick([0, 80, "http", "25%"], or: 0)
        case .raw: return ["f:metadata": ["f:labels": [:]]]
        case .enumeration(_, let values, _): return .string(pick(values, or: "Any"))
        case .object(let schema): return object(schema, depth: depth + 1)
        }
    }
}
