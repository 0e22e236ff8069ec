import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct StoredObjectTests {
    private func stored(_ object: JSON, revision: Int64 = 42) -> StoredObject {
        StoredObject(key: "default/x", revision: revision, bytes: CanonicalObject.bytes(object), facts: .none)
    }

    private let configMap: JSON = [
        "data": ["a": "1"], "apiVersion": "v1",
        "metadata": ["name": "x", "namespace": "default", "resourceVersion": "7", "annotations": ["b": "}\"{\\"]],
        "kind": "ConfigMap",
    ]

    @Test func storedBytesBeginWithKindAndHoldNoResourceVersion() throws {
        let text = String(decoding: CanonicalObject.bytes(configMap), as: UTF8.self)
        #expect(text.hasPrefix(#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"#))
        #expect(!text.contains("resourceVersion"))
    }

    @Test func theResourceVersionIsSplicedIn() throws {
        let json = try JSON.parse(stored(configMap).body)
        var wanted = configMap
        wanted["metadata"]["resourceVersion"] = "42"
        #expect(json == wanted)
        #expect(stored(configMap).tree == wanted)
    }

    @Test func emptyMetadataTakesTheResourceVersionToo() throws {
        let json = try JSON.parse(stored(["kind": "X", "apiVersion": "v1"]).body)
        #expect(json["metadata"] == ["resourceVersion": "42"])
    }

    @Test func anItemHasNoKind() throws {
        var bytes: [UInt8] = []
        stored(configMap).writeItem(into: &bytes)
        let json = try JSON.parse(bytes)
        #expect(json["kind"].isNull && json["apiVersion"].isNull)
        #expect(json.resourceVersion == "42" && json["data"] == ["a": "1"])
    }

    /// The metadata is cut out of the bytes without parsing them: braces and quotes in values must not mislead.
    @Test func partialMetadataIsCutOut() throws {
        var bytes: [UInt8] = []
        stored(configMap).writePartialMetadata(into: &bytes)
        var metadata = configMap["metadata"]
        metadata["resourceVersion"] = "42"
        #expect(
            try JSON.parse(bytes)
                == ["kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata])
    }

    @Test func whatIsNotStoredHasNoResourceVersion() throws {
        let object = StoredObject(unsaved: configMap, key: "default/x")
        #expect(try JSON.parse(object.body)["metadata"]["resourceVersion"].isNull)
        #expect(object.tree["metadata"]["resourceVersion"].isNull)
    }
}
