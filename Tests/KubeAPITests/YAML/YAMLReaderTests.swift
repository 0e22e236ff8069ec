@testable import KubeAPI
import Testing

/// YAML as `sigs.k8s.io/yaml` reads it.
@Suite struct YAMLReaderTests {
    private func value(_ text: String) throws -> JSON { try YAML.parse("k: \(text)\n")[0]["k"] }

    /// YAML 1.1: "no" is a Boolean, also the country.
    @Test(
        arguments: [
            ("yes", JSON.bool(true)), ("No", .bool(false)), ("on", .bool(true)), ("OFF", .bool(false)),
            ("y", .bool(true)), ("N", .bool(false)),
            ("true", .bool(true)), ("False", .bool(false)), ("tRUE", "tRUE"), ("nO", "nO"), ("null", .null),
            ("~", .null), ("", .null), ("Null", .null),
            ("1", 1), ("+1", 1), ("-5", -5), ("0x1f", 31), ("0o17", 15), ("017", 15), ("0b101", 5), ("1_000", 1000),
            ("08", 8), ("00", 0), ("-0x10", -16),
            ("1.5", 1.5), ("3.0", 3), (".5", 0.5), ("5.", 5), ("1e3", 1000), ("-1.5e-3", -0.0015), ("12:30", "12:30"),
            ("1.2.3", "1.2.3"), ("1e", "1e"),
            ("0xG", "0xG"), ("9223372036854775807", .int(.max)), ("2001-01-01", "2001-01-01"), ("a", "a"), ("'1'", "1"),
            ("\"yes\"", "yes"),
            ("\"a\\n\\u00e9\\x41\"", "a\néA"), ("'it''s'", "it's"), ("a b # c", "a b"), ("a#b", "a#b"),
            ("!!str 1", "1"), ("!!int '3'", 3), ("!!float 1", 1),
            ("!!bool yes", .bool(true)), ("!!binary aGk=", "hi"), ("! 5", "5"), ("{a: 1}", ["a": 1]),
            ("[1, two]", [1, "two"]), ("[]", []), ("{}", [:]),
            ("<<", "<<"), ("=", "="), ("-", .null),
        ] as [(String, JSON)])
    func readsScalars(text: String, expected: JSON) throws {
        if text == "-" {
            #expect(throws: YAMLError.self) { try value(text) }
            return
        }
        #expect(try value(text).description == expected.description)
    }

    @Test(arguments: [".inf", "-.INF", ".nan"])
    func refusesWhatJSONCannotSay(text: String) {
        #expect(throws: YAMLError("\(text) has no JSON form", line: 1)) { try value(text) }
    }

    @Test func readsBlocks() throws {
        #expect(
            try YAML.parse(
                "a: |\n  x\n   y\n\n  z\nb: |-\n  x\nc: |+\n  x\n\nd: >\n  x\n  y\n\n  z\ne: >-\n  x\n  y\n")[0] == [
                    "a": "x\n y\n\nz\n", "b": "x", "c": "x\n\n", "d": "x y\nz\n", "e": "x y",
                ])
    }

    @Test func readsManyDocuments() throws {
        #expect(try YAML.parse("# head\n---\na: 1\n---\n---\nb: 2\n...\n# tail\n") == [["a": 1], ["b": 2]])
        #expect(try YAML.parse("") == [])
        #expect(try YAML.parse("\u{feff}a: 1\n") == [["a": 1]])
        #expect(try YAML.parse(#"{"a":[1,{"b":null}]}"#)[0].description == #"{"a":[1,{"b":null}]}"#)
    }

    @Test func namesThatAreNotText() throws {
        #expect(try YAML.parse("1: a\n1.5: b\ntrue: c\n")[0] == ["1": "a", "1.5": "b", "true": "c"])
        #expect(throws: YAMLError.self) { try YAML.parse("? [1]\n: a\n") }
        #expect(throws: YAMLError.self) { try YAML.parse("null: a\n") }
    }

    @Test func expandsAliasesAndMerges() throws {
        #expect(
            try YAML.parse("a: &x {p: 1, q: 2}\nb: *x\nc:\n  <<: *x\n  q: 3\n")[0] == [
                "a": ["p": 1, "q": 2], "b": ["p": 1, "q": 2], "c": ["q": 3, "p": 1],
            ])
        #expect(try YAML.parse("b:\n  <<: [{a: 1}, {a: 2, c: 3}]\n")[0] == ["b": ["a": 1, "c": 3]])
        #expect(throws: YAMLError.self) { try YAML.parse("a: *nowhere\n") }
        #expect(throws: YAMLError.self) { try YAML.parse("a: &x [*x]\n") }
        #expect(throws: YAMLError.self) { try YAML.parse("a:\n  <<: 5\n") }
        // An anchor ends with its document.
        #expect(throws: YAMLError.self) { try YAML.parse("a: &x 1\n---\nb: *x\n") }
    }

    @Test func refusesOrTellsDuplicates() throws {
        #expect(throws: YAMLError("key \"a\" already set in map", line: 3)) { try YAML.parse("a: 1\nb: 2\na: 3\n") }
        var duplicates: [String] = []
        let documents = try YAML.parse(Array("a: 1\nb: {c: 1, 'c': 2}\na: 3\n".utf8), duplicates: &duplicates)
        #expect(documents == [["a": 3, "b": ["c": 2]]])
        #expect(duplicates == [#"line 2: key "c" already set in map"#, #"line 3: key "a" already set in map"#])
    }

    @Test(arguments: [
        ("a: b: c\n", "yaml: line 1: mapping values are not allowed in this context"),
        ("a: [b\n", "yaml: line 2: did not find expected ',' or ']'"),
        ("\ta: 1\n", "yaml: line 1: found character that cannot start any token"),
        ("a: 'x\n", "yaml: line 2: found unexpected end of stream"),
        ("a: 1\n b: 2\n", "yaml: line 2: mapping values are not allowed in this context"),
    ])
    func saysWhereItBreaks(text: String, message: String) {
        let error = #expect(throws: YAMLError.self) { try YAML.parse(text) }
        #expect(error?.description == message)
    }

    @Test func boundsBombs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<12 {
            text += "a\(level): &a\(level) [\((0..<10).map { _ in "*a\(level - 1)" }.joined(separator: ", "))]\n"
        }
        let error = #expect(throws: YAMLError.self) { try YAML.parse(text) }
        #expect(error?.message == "document contains excessive aliasing")
    }

    @Test func boundsDepth() {
        #expect(throws: YAMLError.self) { try YAML.parse(String(repeating: "[", count: 100_000)) }
        #expect(throws: YAMLError.self) { try YAML.parse(String(repeating: "- ", count: 5000) + "x") }
    }

    @Test func refusesInvalidUTF8() {
        #expect(throws: YAMLError.self) { try YAML.parse([0x61, 0x3a, 0x20, 0xff, 0x0a]) }
    }

    @Test func survivesAnyText() {
        let base = UInt64.random(in: 0..<1 << 48)
        let tokens = [
            "a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", "&x ", "*x", "|", ">", "\"", "'", "#", "!!int ", "<<",
            "? ", ",", "---\n", "%", "\t", "é", "1", "~",
        ]
        for seed in base..<base + 5000 {
            var random = SeededGenerator(seed: seed)
            let text = (0..<Int.random(in: 0..<25, using: &random)).map { _ in
                tokens.randomElement(using: &random) ?? ""
            }.joined()
            guard let documents = try? YAML.parse(text) else { continue }  // refusing is what is expected most often
            for document in documents {
                #expect(
                    (try? YAML.parse(YAML.serialize(document))) == [document], "seed \(seed): \(text.debugDescription)")
            }
        }
    }
}
