import Testing

@testable import KubeAPI

/// Reading objects without their managed fields.
@Suite struct ManagedFieldsParsingTests {
    private let metadata = #"{"name":"x","managedFields":[{"a]\"}":{"f:x":{}}},[1]],"uid":"u"}"#

    private func parse(_ text: String, _ place: JSON.ObjectPlace) throws -> JSON {
        try JSON.parse(Array(text.utf8), leavingOutManagedFieldsIn: place)
    }

    @Test func ofAnObject() throws {
        let object = try parse(#"{"kind":"Pod","metadata":\#(metadata),"spec":{"managedFields":[1]}}"#, .whole)
        #expect(object == ["kind": "Pod", "metadata": ["name": "x", "uid": "u"], "spec": ["managedFields": [1]]])
    }

    @Test func ofAnEvent() throws {
        let event = try parse(
            #"{"type":"ADDED","object":{"metadata":\#(metadata)},"metadata":{"managedFields":[1]}}"#, .event)
        #expect(event["object"] == ["metadata": ["name": "x", "uid": "u"]])
        #expect(event["metadata"] == ["managedFields": [1]])
    }

    @Test func ofAList() throws {
        let list = try parse(
            #"{"metadata":{"resourceVersion":"1"},"items":[{"metadata":\#(metadata)},{"data":{},"metadata":\#(metadata)}]}"#,
            .list)
        #expect(list["items"].items.map { $0["metadata"] } == [["name": "x", "uid": "u"], ["name": "x", "uid": "u"]])
        #expect(list["metadata"]["resourceVersion"] == "1")
    }

    @Test(arguments: [
        #"{"metadata":{"managedFields":["#, #"{"metadata":{"managedFields":["a\"#, #"{"metadata":{"managedFields":[]"#,
        #"{"metadata":{"managedFields":[{"a":"b"}}"#,
    ])
    func whatEndsTooEarlyIsNoObject(_ text: String) {
        #expect(throws: JSONError.self) { try parse(text, .whole) }
    }

    @Test func whatIsNoListIsLeftOutAsWell() throws {
        #expect(try parse(#"{"metadata":{"managedFields":null,"name":"x"}}"#, .whole) == ["metadata": ["name": "x"]])
    }
}
