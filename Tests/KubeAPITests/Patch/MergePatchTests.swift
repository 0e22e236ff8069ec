@testable import KubeAPI
import Testing

@Suite struct MergePatchTests {
    /// The table of RFC 7386, appendix A.
    @Test(arguments: [
        (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
        (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
        (#"{"a":"b"}"#, #"{"a":null}"#, #"{}"#),
        (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
        (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
        (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
        (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
        (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#),
        (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
        (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#),
        (#"{"a":"foo"}"#, #"null"#, #"null"#),
        (#"{"a":"foo"}"#, #""bar""#, #""bar""#),
        (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#),
        (#"[1,2]"#, #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
        (#"{}"#, #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
    ])
    func merges(target: String, patch: String, expected: String) throws {
        let result = MergePatch.apply(try JSON.parse(patch), to: try JSON.parse(target))
        #expect(try result.description == JSON.parse(expected).description)
    }

    @Test func removesManyInOnePass() {
        var data = JSONObject()
        var patch = JSONObject()
        for number in 0..<20_000 {
            data["key-\(number)"] = "x"
            if number % 2 == 0 { patch["key-\(number)"] = JSON.null }
        }
        let result = MergePatch.apply(["data": .object(patch)], to: ["data": .object(data)])
        #expect(result["data"].object?.count == 10_000)
        #expect(result["data"]["key-1"] == "x")
        #expect(result["data"]["key-2"].isNull)
    }
}
