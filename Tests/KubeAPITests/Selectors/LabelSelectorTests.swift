@testable import KubeAPI
import Testing

@Suite struct LabelSelectorTests {
    @Test(
        arguments: [
            ("", ""), ("a", "a"), ("!a", "!a"), ("a=b", "a=b"), ("a==b", "a==b"), ("a!=b", "a!=b"),
            ("a in (c,b)", "a in (b,c)"),
            ("a notin (b)", "a notin (b)"), ("a>5", "a>5"), ("a < 5", "a<5"), ("b=1,a=2", "a=2,b=1"),
            (" a = b , !c ", "a=b,!c"), ("a=", "a="),
            ("a in ()", "a in ()"), ("a in (,)", "a in ()"), ("a in (b,)", "a in (,b)"),
            ("in in (in,notin)", "in in (in,notin)"), ("a=in", "a=in"),
            ("x.io/a=b", "x.io/a=b"), ("a in(b)", "a in (b)"), ("a,", nil), ("a in (b,b)", "a in (b)"),
        ] as [(String, String?)])
    func reads(text: String, canonical: String?) throws {
        guard let canonical else {
            #expect(throws: SelectorError.self) { try LabelSelector(parsing: text) }
            return
        }
        let selector = try LabelSelector(parsing: text)
        #expect(selector.description == canonical)
        #expect(try LabelSelector(parsing: selector.description).requirements.count == selector.requirements.count)
    }

    @Test(arguments: [
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        (
            "a>b",
            "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer"
        ),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
    ])
    func refusesInKubernetesWords(text: String, message: String) {
        #expect(throws: SelectorError(message)) { try LabelSelector(parsing: text) }
    }

    @Test func refusesBadKeysAndValues() {
        let key = #expect(throws: SelectorError.self) { try LabelSelector(parsing: "_a=b") }
        #expect(
            key?.description.hasPrefix(
                "unable to parse requirement: <nil>: Invalid value: \"_a\": name part must consist of") == true)
        let value = #expect(throws: SelectorError.self) { try LabelSelector(parsing: "a=-b") }
        #expect(
            value?.description.hasPrefix(
                "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be") == true)
    }

    @Test(arguments: [
        ("", true), ("app=web", true), ("app==web", true), ("app!=web", false), ("app=db", false), ("none=x", false),
        ("none!=x", true),
        ("app in (db,web)", true), ("app notin (db)", true), ("none notin (x)", true), ("none in (x)", false),
        ("app", true), ("!app", false),
        ("!none", true), ("n>4", true), ("n>5", false), ("n<6", true), ("app>1", false), ("none<1", false),
        ("app=web,n=5", true),
        ("app=web,n=6", false), ("empty=", true), ("empty", true), ("none=", false),
    ])
    func matches(text: String, expected: Bool) throws {
        let labels = ["app": "web", "n": "5", "empty": ""]
        let selector = try LabelSelector(parsing: text)
        #expect(selector.matches(labels) == expected)
        #expect(selector.matches(labels: JSON(labels)) == expected)
    }

    @Test func readsObjects() throws {
        let selector = LabelSelector(
            try JSON.parse(
                #"{"matchLabels":{"a":"1"},"matchExpressions":[{"key":"b","operator":"NotIn","values":["2"]},{"key":"c","operator":"Exists"}]}"#
            ))
        #expect(selector.matches(["a": "1", "c": ""]))
        #expect(!selector.matches(["a": "1", "b": "2", "c": ""]))
        #expect(!selector.matches(["a": "1"]))
        // A missing selector matches nothing, an empty one everything.
        #expect(!LabelSelector(JSON.null).matches([:]))
        #expect(LabelSelector(JSON.emptyObject).matches([:]))
        #expect(
            !LabelSelector(try JSON.parse(#"{"matchExpressions":[{"key":"a","operator":"Bogus"}]}"#)).matches(["a": "1"]
            ))
        #expect(LabelSelector(set: ["a": "1"]).matches(["a": "1", "b": "2"]))
    }

    @Test func checksObjects() throws {
        let errors = LabelSelector.validate(
            try JSON.parse(
                #"{"matchLabels":{"_":"x","a":"-"},"matchExpressions":[{"key":"a","operator":"In"},{"key":"a","operator":"Exists","values":["b"]},{"key":"","operator":"Like"}]}"#
            ),
            field: "spec.selector")
        #expect(
            errors.map { String($0.description.prefix(64)) } == [
                #"spec.selector.matchLabels: Invalid value: "_": name part must co"#,
                #"spec.selector.matchLabels: Invalid value: "-": a valid label mus"#,
                "spec.selector.matchExpressions[0].values: Required value: must b",
                "spec.selector.matchExpressions[1].values: Forbidden: may not be ",
                #"spec.selector.matchExpressions[2].operator: Invalid value: "Like"#,
                #"spec.selector.matchExpressions[2].key: Invalid value: "": name p"#,
                #"spec.selector.matchExpressions[2].key: Invalid value: "": name p"#,
            ])
    }

    @Test func survivesAnyText() {
        let base = UInt64.random(in: 0..<1 << 48)
        let tokens = [
            "a", "in", "notin", "(", ")", ",", "=", "==", "!=", "!", ">", "<", " ", "5", "x/y", "\0", "é", "",
        ]
        for seed in base..<base + 5000 {
            var random = SeededGenerator(seed: seed)
            let text = (0..<Int.random(in: 0..<10, using: &random)).map { _ in
                tokens.randomElement(using: &random) ?? ""
            }.joined()
            guard let selector = try? LabelSelector(parsing: text) else { continue }  // most are refused
            #expect((try? LabelSelector(parsing: selector.description)) == selector, "seed \(seed): \(text)")
        }
    }
}
