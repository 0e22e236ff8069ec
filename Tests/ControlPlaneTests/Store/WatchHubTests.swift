import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct WatchHubTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/configmaps"
    init() async throws { server = try await TestServer() }

    private var hub: WatchHub { server.registry.hub }
    private let second: Int64 = 1_000_000_000

    @Test func aWriteIsInTheCacheWhenItIsAnswered() async throws {
        for index in 0..<50 {
            let object = try await server.makeConfigMap("c\(index)")
            #expect(hub.revision >= Int64(object.resourceVersion) ?? .max)
            #expect(try await server.get("\(path)/c\(index)").status == 200)
        }
    }

    /// History is kept for five minutes, in the store as in the caches; what is current stays.
    @Test func historyIsForgottenAfterFiveMinutes() async throws {
        for index in 0..<5 { try await server.makeConfigMap("c\(index)") }
        try await server.admin.delete(.configMaps, namespace: "default", name: "c0")
        let old = server.store.revision
        let start = WatchHub.now()
        hub.tick(now: start)
        try await server.makeConfigMap("late")
        let late = server.store.revision
        for offset in stride(from: Int64(10), through: 290, by: 10) { hub.tick(now: start + offset * second) }
        #expect(server.store.compactedRevision < old)
        #expect(try server.watch("\(path)?watch=1&resourceVersion=1").summary.count == 7)
        hub.tick(now: start + 301 * second)
        #expect(try await eventually { server.store.compactedRevision == old })
        #expect(throws: StoreError.compacted(through: old)) { try server.store.events(after: old - 1, limit: 1) }
        #expect(try server.store.events(after: old, limit: 10).map(\.revision) == [late])
        #expect(try server.watch("\(path)?watch=1&resourceVersion=1").events[0]["object"]["code"] == 410)
        let names = try await server.get(path).json["items"].items.map(\.name)
        #expect(names == ["c1", "c2", "c3", "c4", "late"])
    }

    /// Where changes of a shared store can't be told any more, everything is taken anew and watches end.
    @Test func aResetEndsWatchesAndTellsTheAllocators() async throws {
        for name in ["gone", "kept"] { try await server.makeConfigMap(name) }
        let resource = try #require(server.registry.find("", "v1", "configmaps"))
        let stream = try server.watch("\(path)?watch=1&resourceVersion=\(server.store.revision)")
        let kept = try #require(try server.store.get("configmaps/default/kept"))
        let foreign = Box<[String]>([])
        resource.cache.onForeignChange { new, old in
            foreign.change { $0.append("\(old?.name ?? "-") \(new?.name ?? "-")") }
        }
        let fresh = StoreRecord(
            key: "configmaps/default/new", revision: 1000, createRevision: 1000,
            value: Array(
                #"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"new","namespace":"default"}}"#.utf8))
        resource.cache.reset([kept, fresh], at: 1000)
        #expect(stream.events.map { $0["type"] } == ["ERROR"])
        #expect(stream.events[0]["object"]["code"] == 410)
        let names = try await server.get(path).json["items"].items.map(\.name)
        #expect(names == ["kept", "new"])
        #expect(foreign.value.sorted() == ["- new", "gone -", "kept kept"])
        #expect(try server.watch("\(path)?watch=1&resourceVersion=999").events[0]["object"]["code"] == 410)
    }
}
