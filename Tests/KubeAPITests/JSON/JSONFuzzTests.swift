import KubeAPI
import Testing

/// SplitMix64: the same seed gives the same run everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// Random trees survive a round trip, and no mutation of bytes crashes the parser. A failure prints its seed.
@Suite struct JSONFuzzTests {
    static func tree(depth: Int, _ random: inout SeededGenerator) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 9 : 6), using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2: return .int(Int64(truncatingIfNeeded: random.next()) >> Int.random(in: 0..<64, using: &random))
        case 3:
            let number = Double(bitPattern: random.next())
            return .double(number.isFinite ? number : 0.5)
        case 4, 5: return .string(text(&random))
        case 6:
            return .array((0..<Int.random(in: 0..<6, using: &random)).map { _ in tree(depth: depth - 1, &random) })
        default:
            var object = JSONObject()
            let count = Int.random(in: 0..<4, using: &random) == 0 ? 40 : 5
            for _ in 0..<Int.random(in: 0..<count, using: &random) {
                object[text(&random)] = tree(depth: depth - 1, &random)
            }
            return .object(object)
        }
    }

    static func text(_ random: inout SeededGenerator) -> String {
        let known = ["metadata", "terminationGracePeriodSeconds", "creationTimestamp", "a", ""]
        if Int.random(in: 0..<4, using: &random) == 0 { return known.randomElement(using: &random) ?? "" }
        var text = ""
        for _ in 0..<Int.random(in: 0..<24, using: &random) {
            let scalar: UInt32 =
                switch Int.random(in: 0..<6, using: &random) {
                case 0: UInt32.random(in: 0..<0x20, using: &random)
                case 1: UInt32.random(in: 0x80..<0x11_0000, using: &random)
                case 2: [0x22, 0x5c, 0x2028, 0x7f].randomElement(using: &random) ?? 0x22
                default: UInt32.random(in: 0x20..<0x7f, using: &random)
                }
            text.unicodeScalars.append(UnicodeScalar(scalar) ?? "x")
        }
        return text
    }

    @Test func roundTripsRandomTrees() throws {
        let base = UInt64.random(in: 0..<1 << 48)
        for seed in base..<base + 1000 {
            var random = SeededGenerator(seed: seed)
            let tree = Self.tree(depth: 5, &random)
            let bytes = tree.serialized()
            let again = try JSON.parse(bytes)
            #expect(again == tree, "seed \(seed)")
            #expect(again.serialized() == bytes, "seed \(seed)")
            #expect(try JSON.parse(tree.prettyPrinted()) == tree, "seed \(seed)")
        }
    }

    @Test func survivesMutatedBytes() {
        let base = UInt64.random(in: 0..<1 << 48)
        for seed in base..<base + 3000 {
            var random = SeededGenerator(seed: seed)
            var bytes = Self.tree(depth: 4, &random).serialized()
            for _ in 0..<Int.random(in: 1..<6, using: &random) where !bytes.isEmpty {
                let position = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[position] = UInt8.random(in: .min ... .max, using: &random)
                case 1: bytes.removeSubrange(position...)
                case 2: bytes.remove(at: position)
                default: bytes.insert(Array("{}[]\",:\\0e-".utf8).randomElement(using: &random) ?? 0, at: position)
                }
            }
            // Looking for duplicates changes nothing.
            var duplicates: [String] = []
            // Both or none.
            #expect((try? JSON.parse(bytes, duplicates: &duplicates)) == (try? JSON.parse(bytes)), "seed \(seed)")
            guard let parsed = try? JSON.parse(bytes) else { continue }  // refusing is what is expected most often
            // What it accepts must be a value that it also understands when written.
            #expect((try? JSON.parse(parsed.serialized())) == parsed, "seed \(seed)")  // a refusal fails the test
        }
    }
}
