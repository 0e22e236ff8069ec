@testable import KubeAPI
import Testing

@Suite struct JSONPatchTests {
    private func patched(_ document: String, _ patch: String) throws -> JSON {
        try JSONPatch.apply(try JSON.parse(patch), to: try JSON.parse(document))
    }

    /// The examples of RFC 6902, appendix A, and what lies beside them.
    @Test(arguments: [
        (#"{"foo":"bar"}"#, #"[{"op":"add","path":"/baz","value":"qux"}]"#, #"{"foo":"bar","baz":"qux"}"#),
        (#"{"foo":["bar","baz"]}"#, #"[{"op":"add","path":"/foo/1","value":"qux"}]"#, #"{"foo":["bar","qux","baz"]}"#),
        (#"{"baz":"qux","foo":"bar"}"#, #"[{"op":"remove","path":"/baz"}]"#, #"{"foo":"bar"}"#),
        (#"{"foo":["bar","qux","baz"]}"#, #"[{"op":"remove","path":"/foo/1"}]"#, #"{"foo":["bar","baz"]}"#),
        (
            #"{"baz":"qux","foo":"bar"}"#, #"[{"op":"replace","path":"/baz","value":"boo"}]"#,
            #"{"baz":"boo","foo":"bar"}"#
        ),
        (
            #"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            #"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            #"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#
        ),
        (
            #"{"foo":["all","grass","cows","eat"]}"#, #"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            #"{"foo":["all","cows","eat","grass"]}"#
        ),
        (
            #"{"baz":"qux","foo":["a",2,"c"]}"#,
            #"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2.0}]"#,
            #"{"baz":"qux","foo":["a",2,"c"]}"#
        ),
        (
            #"{"foo":"bar"}"#, #"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
            #"{"foo":"bar","child":{"grandchild":{}}}"#
        ),
        (#"{"foo":"bar"}"#, #"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#, #"{"foo":"bar","baz":"qux"}"#),
        (
            #"{"/":9,"~1":10}"#, #"[{"op":"test","path":"/~01","value":10},{"op":"replace","path":"/~1","value":1}]"#,
            #"{"/":1,"~1":10}"#
        ),
        (
            #"{"foo":["bar"]}"#, #"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
            #"{"foo":["bar",["abc","def"]]}"#
        ),
        (
            #"{"a":{"b":1}}"#, #"[{"op":"copy","from":"/a","path":"/c"},{"op":"replace","path":"/c/b","value":2}]"#,
            #"{"a":{"b":1},"c":{"b":2}}"#
        ),
        (#"{"a":1}"#, #"[{"op":"add","path":"/a","value":null}]"#, #"{"a":null}"#),
        (#"{"a":1}"#, #"[{"op":"replace","path":"","value":{"b":2}}]"#, #"{"b":2}"#),
        (#"{"":1}"#, #"[{"op":"replace","path":"/","value":2}]"#, #"{"":2}"#),
        (#"{"a":[1,2,3]}"#, #"[{"op":"remove","path":"/a/-1"}]"#, #"{"a":[1,2]}"#),
        (#"{"a":[]}"#, #"[{"op":"add","path":"/a/0","value":1}]"#, #"{"a":[1]}"#),
        (#"{"a":1}"#, #"[{"op":"test","path":"/b","value":null}]"#, #"{"a":1}"#),
        (
            #"{"metadata":{"annotations":{}}}"#,
            #"[{"op":"add","path":"/metadata/annotations/example.com~1key","value":"x"}]"#,
            #"{"metadata":{"annotations":{"example.com/key":"x"}}}"#
        ),
        ("{}", "[]", "{}"),
    ])
    func carriesOut(document: String, patch: String, expected: String) throws {
        #expect(try patched(document, patch) == JSON.parse(expected))
    }

    /// The client is not told why.
    @Test(arguments: [
        #"[{"op":"test","path":"/a","value":2}]"#, #"[{"op":"test","path":"/a","value":"1"}]"#,
        #"[{"op":"remove","path":"/b"}]"#,
        #"[{"op":"replace","path":"/b","value":1}]"#, #"[{"op":"add","path":"/b/c","value":1}]"#,
        #"[{"op":"add","path":"/l/3","value":1}]"#, #"[{"op":"add","path":"/l/01","value":1}]"#,
        #"[{"op":"add","path":"/l/x","value":1}]"#, #"[{"op":"remove","path":"/l/-"}]"#,
        #"[{"op":"remove","path":"/l/2"}]"#,
        #"[{"op":"remove","path":"/l/-3"}]"#, #"[{"op":"add","path":"a","value":1}]"#,
        #"[{"op":"add","path":"/~2","value":1}]"#,
        #"[{"op":"bogus","path":"/a"}]"#, #"[{"path":"/a"}]"#, #"[{"op":"add","value":1}]"#,
        #"[{"op":"add","path":"/b"}]"#,
        #"[{"op":"move","from":"/o","path":"/o/x"}]"#, #"[{"op":"move","path":"/b"}]"#,
        #"[{"op":"copy","from":"/no","path":"/b"}]"#,
        #"[{"op":"remove","path":""}]"#, #"[{"op":"add","path":"/a/b","value":1}]"#,
    ])
    func failsAs422(patch: String) throws {
        let error = #expect(throws: StatusError.self) { try patched(#"{"a":1,"l":[1,2],"o":{"p":1}}"#, patch) }
        #expect(error?.code == 422)
        #expect(error?.reason == "Invalid")
        #expect(error?.message == "the server rejected our request due to an error in our request")
    }

    @Test(arguments: [
        (#"{"op":"add"}"#, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        (#"["a"]"#, "json: cannot unmarshal string into Go value of type jsonpatch.Operation"),
        ("null", "json: cannot unmarshal null into Go value of type jsonpatch.Patch"),
    ])
    func refusesWhatIsNoPatch(patch: String, message: String) throws {
        let error = #expect(throws: StatusError.self) { try patched("{}", patch) }
        #expect(error?.code == 400)
        #expect(error?.message == message)
    }

    @Test func isAllOrNothing() throws {
        let document = try JSON.parse(#"{"a":1}"#)
        let patch = try JSON.parse(#"[{"op":"replace","path":"/a","value":2},{"op":"test","path":"/a","value":3}]"#)
        #expect(throws: StatusError.self) { try JSONPatch.apply(patch, to: document) }
        #expect(document == ["a": 1])
    }

    @Test func boundsOperations() {
        let operation: JSON = ["op": "test", "path": "/a", "value": 1]
        let patch = JSON.array(Array(repeating: operation, count: JSONPatch.maxOperations + 1))
        let error = #expect(throws: StatusError.self) { try JSONPatch.apply(patch, to: ["a": 1]) }
        #expect(error?.code == 413)
        #expect(
            error?.message
                == "Request entity is too large: The allowed maximum operations in a JSON patch is 10000, got 10001")
    }

    @Test func boundsCopies() {
        // Doubles a kilobyte with each operation: a terabyte in thirty.
        var document: JSON = ["a": .string(String(repeating: "x", count: 1000))]
        document["o"] = ["a": document["a"]]
        let operations: [JSON] = (0..<30).map { ["op": "copy", "from": "/o", "path": .string("/o/c\($0)")] }
        #expect(throws: StatusError.self) { try JSONPatch.apply(.array(operations), to: document) }
    }

    @Test func boundsDepth() {
        let operations: [JSON] = (0..<600).map { _ in ["op": "move", "from": "", "path": "/a"] }
        #expect(throws: StatusError.self) { try JSONPatch.apply(.array(operations), to: ["a": 1]) }
        let copies: [JSON] = (0..<600).map { level in
            ["op": "add", "path": .string(String(repeating: "/a", count: level + 1)), "value": ["a": 1]]
        }
        #expect(throws: StatusError.self) { try JSONPatch.apply(.array(copies), to: ["a": 1]) }
    }
}
