@testable import KubeAPI
import Testing

@Suite struct YAMLWriterTests {
    @Test func writesAsKubectlDoes() throws {
        let text = YAML.serialize([
            "apiVersion": "v1", "kind": "Config",
            "clusters": [["name": "a", "cluster": ["server": "https://127.0.0.1:6443", "tags": [1, [2, 3]]]]],
            "empty": [:], "none": [],
            "flag": true, "half": 0.5,
        ])
        #expect(
            text == """
                apiVersion: v1
                kind: Config
                clusters:
                - name: a
                  cluster:
                    server: https://127.0.0.1:6443
                    tags:
                    - 1
                    - - 2
                      - 3
                empty: {}
                none: []
                flag: true
                half: 0.5

                """)
    }

    @Test(arguments: [
        ("yes", "\"yes\""), ("n", "\"n\""), ("null", "\"null\""), ("1", "\"1\""), ("1.5", "\"1.5\""), ("", "\"\""),
        ("a: b", "\"a: b\""), ("a #b", "\"a #b\""),
        ("- a", "\"- a\""), ("a", "a"), ("a b", "a b"), (" a", "\" a\""), ("a:", "\"a:\""),
        ("2001-01-01", "\"2001-01-01\""), ("12:30", "\"12:30\""),
        ("*a", "\"*a\""), ("a\tb", "\"a\\tb\""), ("é", "é"), ("\u{1}", "\"\\u0001\""), ("\u{feff}a", "\"\\ufeffa\""),
        ("a\nb", "|-\n  a\n  b"),
        ("a\nb\n", "|\n  a\n  b"), ("a\n\n", "|+\n  a\n"), ("0x1f", "\"0x1f\""), ("...", "\"...\""), ("=", "\"=\""),
        ("<<", "\"<<\""),
    ])
    func quotesWhatWouldBeReadAsSomethingElse(string: String, written: String) throws {
        #expect(YAML.serialize(["k": .string(string)]) == "k: \(written)\n")
        #expect(try YAML.parse(YAML.serialize(["k": .string(string)])) == [["k": .string(string)]])
    }

    @Test func readsBackWhatItWrites() throws {
        let base = UInt64.random(in: 0..<1 << 48)
        for seed in base..<base + 1500 {
            var random = SeededGenerator(seed: seed)
            let tree: JSON = ["root": JSONFuzzTests.tree(depth: 4, &random)]
            guard case .object = tree else { continue }
            let again = try YAML.parse(YAML.serialize(tree))
            // An object without members is a document; one with null alone is one too.
            #expect(again == [tree], "seed \(seed)")
        }
    }
}
