@testable import KubeAPI
import Testing

/// No bytes crash the decoder or make it need much more memory than they are. A failure prints its seed.
@Suite struct ProtobufFuzzTests {
    @Test func survivesMutatedBodies() throws {
        let base = UInt64.random(in: 0..<1 << 48)
        var accepted = 0
        for seed in base..<base + 4000 {
            var sample = SchemaSample(seed: seed)
            let kind = SchemaSample.kinds[Int(seed % UInt64(SchemaSample.kinds.count))]
            var bytes = ProtobufWriter.body(try sample.object(kind), try SchemaSample.schema(kind))
            for _ in 0..<Int.random(in: 1..<4, using: &sample.random) where bytes.count > 4 {
                mutate(&bytes, &sample.random)
            }
            guard let object = try? ProtobufDecoder.decode(bytes, scheme: .builtin) else { continue }  // often refused
            accepted += 1
            // What it accepts is a tree of the kind, without type errors.
            let schema = try #require(Scheme.builtin.schema(apiVersion: object.apiVersion, kind: object.kind))
            #expect(schema.typeErrors(object) == [], "seed \(seed)")
        }
        #expect(accepted > 0)
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let position = Int.random(in: 4..<bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[position] = UInt8.random(in: .min ... .max, using: &random)
        case 1: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.removeSubrange(position...)
        case 3: bytes.remove(at: position)
        case 4: bytes.insert(contentsOf: [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], at: position)  // a length of 4 GiB
        default: bytes.insert(contentsOf: bytes[position..<min(position + 40, bytes.count)], at: position)
        }
    }

    @Test func boundsNesting() throws {
        // A type that holds itself, and a message that goes 10,000 levels deep.
        var inner: [UInt8] = []
        for _ in 0..<10_000 {
            var message = ProtobufWriter()
            message.field(1, inner)
            inner = message.bytes
        }
        let scheme = Scheme(resources: [Self.nested])
        let body = ProtobufWriter.body(apiVersion: "v1", kind: "Nested", raw: inner)
        let error = #expect(throws: StatusError.self) { try ProtobufDecoder.decode(body, scheme: scheme) }
        #expect(error?.message == "cannot decode the protobuf body: messages nest deeper than 64")
    }

    private static let nested: ResourceType = {
        var schema = Schema(typeName: "test/v1.Leaf", fields: [])
        for level in 0..<100 {
            schema = Schema(
                typeName: "test/v1.Level\(level)",
                fields: [Schema.Field(name: "inner", form: .object(schema), number: 1)])
        }
        return ResourceType(
            ResourcePath(resource: "nested", kind: "Nested"), singular: "nested", columns: [.name], schema: schema)
    }()

    @Test func manyEntriesTakeLinearTime() throws {
        var message = ProtobufWriter()
        for number in 0..<50_000 {
            var entry = ProtobufWriter()
            entry.field(1, Array("key-\(number)".utf8))
            entry.field(2, [0x78])
            message.field(2, entry.bytes)
        }
        let object = try ProtobufDecoder.decode(
            ProtobufWriter.body(apiVersion: "v1", kind: "ConfigMap", raw: message.bytes), scheme: .builtin)
        #expect(object["data"].object?.count == 50_000)
        #expect(object["data"]["key-49999"] == "x")
    }
}
