import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct WatchTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/configmaps"
    init() async throws { server = try await TestServer() }

    private var revision: Int64 { server.store.revision }

    @Test func fromARevisionOn() async throws {
        try await server.makeConfigMap("a")
        let stream = try server.watch("\(path)?watch=true&resourceVersion=\(revision)")
        let made = try await server.makeConfigMap("b", ["k": "v"])
        let changed = try await server.admin.patch(
            .configMaps, namespace: "default", name: "b", ["data": ["k": "w"]])
        try await server.admin.delete(.configMaps, namespace: "default", name: "b")
        #expect(stream.summary == ["ADDED b", "MODIFIED b", "DELETED b"])
        #expect(stream.events[0]["object"] == made)
        #expect(stream.events[1]["object"] == changed)
        // The last state, at the revision of the deletion.
        #expect(stream.events[2]["object"]["data"] == ["k": "w"])
        #expect(stream.events[2]["object"].resourceVersion == String(revision))
    }

    @Test func whatWasMissedIsMadeUpFor() async throws {
        let start = revision
        for name in ["a", "b"] { try await server.makeConfigMap(name) }
        try await server.admin.delete(.configMaps, namespace: "default", name: "a")
        let stream = try server.watch("\(path)?watch=true&resourceVersion=\(start)")
        #expect(stream.summary == ["ADDED a", "ADDED b", "DELETED a"])
        try await server.makeConfigMap("c")
        #expect(stream.summary.last == "ADDED c")
    }

    @Test(arguments: ["", "&resourceVersion=0", "&resourceVersion="])
    func withoutARevisionTheStateComesFirst(query: String) async throws {
        try await server.makeConfigMap("a")
        let stream = try server.watch("\(path)?watch=1\(query)")
        try await server.makeConfigMap("b")
        #expect(stream.summary == ["ADDED a", "ADDED b"])
    }

    @Test func initialEventsOnRequest() async throws {
        try await server.makeConfigMap("a")
        let options = "watch=1&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        let stream = try server.watch("\(path)?\(options)&sendInitialEvents=true&resourceVersion=1")
        #expect(stream.summary == ["ADDED a", "BOOKMARK"])
        let bookmark = stream.events[1]["object"]
        #expect(bookmark["metadata"]["annotations"] == ["k8s.io/initial-events-end": "true"])
        #expect(bookmark.resourceVersion == String(revision))
        let none = try server.watch("\(path)?\(options)&sendInitialEvents=false")
        try await server.makeConfigMap("b")
        #expect(none.summary == ["ADDED b"])
        let early = try await server.get("\(path)?\(options)&sendInitialEvents=true&resourceVersion=\(revision + 10)")
        #expect(early.status == 504)
    }

    @Test func sendInitialEventsNeedsItsMatch() async throws {
        for query in [
            "sendInitialEvents=true", "resourceVersionMatch=NotOlderThan",
            "sendInitialEvents=true&resourceVersionMatch=Exact",
        ] {
            #expect(try await server.get("\(path)?watch=1&\(query)").status == 422, "\(query)")
        }
    }

    @Test func aRevisionThatIsForgottenIs410() async throws {
        let start = revision
        for name in ["a", "b", "c"] { try await server.makeConfigMap(name) }
        let cache = try #require(server.registry.find("", "v1", "configmaps")).cache
        cache.tick(now: 0, revision: revision, oldest: .max)
        let stream = try server.watch("\(path)?watch=1&resourceVersion=\(start)")
        #expect(stream.isClosed)
        #expect(stream.events.count == 1)
        #expect(stream.events[0]["type"] == "ERROR")
        let status = stream.events[0]["object"]
        #expect(status.kind == "Status" && status["code"] == 410 && status["reason"] == "Expired")
        #expect(status["message"].stringValue == "too old resource version: \(start) (\(revision))")
        // A client in this process is told by an error.
        let error = await refusal {
            for try await _ in try await server.admin.watch(
                .configMaps, namespace: "default", options: ListOptions(resourceVersion: String(start)))
            {}
        }
        #expect(error?.isExpired == true)
    }

    @Test func aRevisionFromAnotherClusterIs410() async throws {
        let stream = try server.watch("\(path)?watch=1&resourceVersion=\(revision + 100)")
        #expect(stream.isClosed)
        #expect(stream.events.map { $0["object"]["reason"] } == ["Expired"])
        #expect(try await !server.get("/metrics").text.contains("resource=\"configmaps\",verb=\"WATCH\"} 1"))
    }

    @Test func selectorsChoose() async throws {
        let stream = try server.watch("\(path)?watch=1&labelSelector=a%3Db&fieldSelector=metadata.name!%3Dz")
        try await server.makeConfigMap("x", labels: ["a": "b"])
        try await server.makeConfigMap("y")
        try await server.makeConfigMap("z", labels: ["a": "b"])
        #expect(stream.summary == ["ADDED x"])
    }

    @Test func theOlderPaths() async throws {
        let all = try server.watch("/api/v1/watch/namespaces/default/configmaps")
        let one = try server.watch("/api/v1/watch/namespaces/default/configmaps/b")
        try await server.makeConfigMap("a")
        try await server.makeConfigMap("b")
        #expect(all.summary == ["ADDED a", "ADDED b"])
        #expect(one.summary == ["ADDED b"])
    }

    @Test func oneNamedObjectIsGotWhateverTheQuerySays() async throws {
        let object = try await server.makeConfigMap("a")
        #expect(try await server.get("\(path)/a?watch=1").json == object)
    }

    @Test func tablesAndMetadata() async throws {
        let table = try server.watch(
            "\(path)?watch=1", accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
        let metadata = try server.watch(
            "\(path)?watch=1", accept: "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
        try await server.makeConfigMap("a", ["k": "v"])
        let row = table.events[0]["object"]
        #expect(row.kind == "Table" && row["rows"][0]["cells"][0] == "a")
        #expect(row["columnDefinitions"].items.count == 3)
        let object = metadata.events[0]["object"]
        #expect(object.kind == "PartialObjectMetadata" && object.name == "a" && object["data"].isNull)
    }

    @Test func openWatchesAreCounted() async throws {
        func count() async throws -> Bool {
            try await server.get("/metrics").text.contains(
                "apiserver_longrunning_requests{component=\"apiserver\",resource=\"configmaps\",verb=\"WATCH\"} 1\n")
        }
        let stream = try server.watch("\(path)?watch=1")
        #expect(try await count())
        stream.finish()
        #expect(try await !count())
    }

    @Test func allEndWhenTheServerGoes() async throws {
        let streams = try (0..<3).map { _ in try server.watch("\(path)?watch=1") }
        server.registry.hub.finishWatches()
        #expect(streams.allSatisfy { $0.isClosed && !$0.wasAborted })
    }
}
