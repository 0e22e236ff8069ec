import KubeAPI
import Synchronization
import Testing
import Transport

@testable import ControlPlane

/// The watch cache by itself, fed with store events.
@Suite struct ResourceCacheTests {
    private let cache: ResourceCache
    private let madeFrames = Counter()
    private let revision = Counter()

    init() {
        let madeFrames = self.madeFrames
        cache = ResourceCache(
            prefix: "configmaps/", floor: 0,
            facts: { ObjectFacts(labels: $0.labels, fields: []) },
            frame: { representation, kind, object in
                madeFrames.add(1)
                guard let type = Scheme.builtin.resource(group: "", version: "v1", resource: "configmaps") else {
                    return Frame([])
                }
                return EventEncoder.frame(representation, kind, object, type: type)
            })
    }

    /// Writes to the cache as the store would.
    private func put(_ name: String, labels: [String: String] = [:], existed: Bool = false) {
        let object: JSON = [
            "kind": "ConfigMap", "apiVersion": "v1",
            "metadata": ["name": .string(name), "namespace": "default", "labels": JSON(labels)],
        ]
        apply(name, CanonicalObject.bytes(object))
    }

    private func apply(_ name: String, _ value: [UInt8]?, namespace: String = "default") {
        let next = Int64(revision.add(1))
        cache.apply(
            StoreEvent(
                key: "configmaps/\(namespace)/\(name)", revision: next, createRevision: next, value: value,
                previousRevision: 0, previousValue: nil, facts: nil), time: next)
    }

    private func watcher(
        _ filter: ObjectFilter = ObjectFilter(), _ representation: Representation = .object, bookmarks: Bool = false,
        deadline: Int64 = .max, stream: TestStream
    ) -> Watcher {
        Watcher(
            filter: filter, representation: representation, kind: "ConfigMap", apiVersion: "v1", bookmarks: bookmarks,
            now: 0, deadline: deadline, stream: stream, onEnd: {})
    }

    private func selecting(_ selector: String) throws -> ObjectFilter {
        var filter = ObjectFilter()
        filter.labels = try LabelSelector(parsing: selector)
        return filter
    }

    @Test func aWatcherSeesWhatBeginsAndCeasesToMatch() throws {
        let stream = TestStream()
        #expect(
            cache.watch(watcher(try selecting("color=red"), stream: stream), from: .after(0), currentRevision: 0) == nil
        )
        put("a", labels: ["color": "blue"])
        put("a", labels: ["color": "red"])
        put("a", labels: ["color": "red", "x": "1"])
        put("a", labels: ["color": "green"])
        put("a", labels: ["color": "red"])
        apply("a", nil)
        put("b", labels: ["color": "blue"])
        apply("b", nil)
        #expect(stream.summary == ["ADDED a", "MODIFIED a", "DELETED a", "ADDED a", "DELETED a"])
        // The last state that matched, at the revision at which it ceased to.
        #expect(stream.events[2]["object"].labels == ["color": "red", "x": "1"])
        #expect(stream.events[2]["object"].resourceVersion == "4")
        #expect(stream.events[4]["object"].resourceVersion == "6")
    }

    @Test func aWatcherOfANamespaceSeesNoOther() {
        var filter = ObjectFilter()
        filter.namespace = "default"
        let stream = TestStream()
        _ = cache.watch(watcher(filter, stream: stream), from: .after(0), currentRevision: 0)
        put("a")
        apply("b", CanonicalObject.bytes(["metadata": ["name": "b", "namespace": "default2"]]), namespace: "default2")
        #expect(stream.summary == ["ADDED a"])
    }

    @Test func oneFrameServesAllWhoSeeTheSame() {
        let streams = (0..<50).map { _ in TestStream() }
        for stream in streams { _ = cache.watch(watcher(stream: stream), from: .after(0), currentRevision: 0) }
        let table = TestStream()
        _ = cache.watch(watcher(ObjectFilter(), .table(.metadata), stream: table), from: .after(0), currentRevision: 0)
        put("a")
        #expect(madeFrames.value == 2)
        #expect(streams.allSatisfy { $0.summary == ["ADDED a"] })
        let event = table.events[0]
        #expect(event["object"].kind == "Table")
        #expect(event["object"]["rows"][0]["cells"][0] == "a")
        #expect(event["object"]["rows"][0]["object"].kind == "PartialObjectMetadata")
    }

    @Test func aSlowWatcherCatchesUpWithoutLossOrRepetition() {
        let stream = TestStream()
        _ = cache.watch(watcher(stream: stream), from: .after(0), currentRevision: 0)
        put("a")
        stream.setCapacity(0)
        for index in 0..<300 { put("b\(index)") }
        #expect(stream.summary == ["ADDED a"])
        // It drains a little, stalls again, then all the way.
        stream.setCapacity(10)
        #expect(stream.summary.count == 11 || stream.summary.count == 65)
        put("c")
        stream.setCapacity(.max)
        #expect(stream.summary == ["ADDED a"] + (0..<300).map { "ADDED b\($0)" } + ["ADDED c"])
        put("d")
        #expect(stream.summary.last == "ADDED d")
    }

    @Test func aWatcherThatIsTooSlowIsToldSo() {
        let stream = TestStream()
        _ = cache.watch(watcher(stream: stream), from: .after(0), currentRevision: 0)
        stream.setCapacity(0)
        put("a")
        put("b")
        cache.tick(now: 1, revision: 2, oldest: 1000)  // everything is old
        stream.setCapacity(.max)
        #expect(stream.events.last?["type"] == "ERROR")
        #expect(stream.events.last?["object"]["code"] == 410)
        #expect(stream.events.last?["object"]["reason"] == "Expired")
        #expect(stream.isClosed)
    }

    @Test func theInitialStateComesFirstThenItsEnd() {
        put("a")
        put("b")
        let stream = TestStream()
        _ = cache.watch(
            watcher(bookmarks: true, stream: stream), from: .initial(endBookmark: true), currentRevision: 7)
        put("c")
        #expect(stream.summary == ["ADDED a", "ADDED b", "BOOKMARK", "ADDED c"])
        let bookmark = stream.events[2]["object"]
        #expect(bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true")
        #expect(bookmark.resourceVersion == "7" && bookmark.kind == "ConfigMap")
    }

    @Test func bookmarksComeOnceAMinuteToThoseWhoWantThem() {
        let (eager, plain) = (TestStream(), TestStream())
        _ = cache.watch(watcher(bookmarks: true, stream: eager), from: .after(0), currentRevision: 0)
        _ = cache.watch(watcher(stream: plain), from: .after(0), currentRevision: 0)
        let second: Int64 = 1_000_000_000
        for now in stride(from: Int64(0), through: 130, by: 10) {
            cache.tick(now: now * second, revision: 100 + now, oldest: 0)
        }
        #expect(plain.events.isEmpty)
        #expect(eager.summary == ["BOOKMARK", "BOOKMARK"])
        #expect(eager.events.map { $0["object"].resourceVersion } == ["160", "220"])
    }

    @Test func aWatchEndsWhenItsTimeIsOver() {
        let stream = TestStream()
        _ = cache.watch(watcher(deadline: 100, stream: stream), from: .after(0), currentRevision: 0)
        cache.tick(now: 99, revision: 0, oldest: 0)
        #expect(!stream.isClosed)
        cache.tick(now: 100, revision: 0, oldest: 0)
        #expect(stream.isClosed && !stream.wasAborted)
        #expect(cache.watcherCount == 0)
    }

    @Test func aClosedWatcherIsForgotten() {
        let stream = TestStream()
        _ = cache.watch(watcher(stream: stream), from: .after(0), currentRevision: 0)
        #expect(cache.watcherCount == 1)
        stream.finish()
        put("a")
        #expect(cache.watcherCount == 0)
        #expect(stream.events.isEmpty)
    }

    @Test func aRevisionThatIsForgottenIsRefused() {
        for index in 0..<5 { put("a\(index)") }
        cache.tick(now: 10, revision: 5, oldest: 4)
        #expect(cache.watch(watcher(stream: TestStream()), from: .after(2), currentRevision: 5) == 3)
        #expect(cache.snapshot(at: 2) == nil)
        #expect(cache.snapshot(at: 3)?.count == 3)
    }

    @Test func earlierStatesCanBeSeenAgain() {
        put("a")  // 1
        put("b")  // 2
        put("a", labels: ["x": "1"])  // 3
        apply("b", nil)  // 4
        func names(_ revision: Int64) -> [String]? {
            guard let objects = cache.snapshot(at: revision) else { return nil }
            var names: [String] = []
            objects.forEach {
                names.append("\($0.name)@\($0.revision)"); return true
            }
            return names
        }
        #expect(names(1) == ["a@1"])
        #expect(names(2) == ["a@1", "b@2"])
        #expect(names(3) == ["a@3", "b@2"])
        #expect(names(4) == ["a@3"])
    }
}

/// A value that closures share.
final class Box<Value: Sendable>: Sendable {
    private let content: Mutex<Value>
    init(_ value: Value) { content = Mutex(value) }
    var value: Value { content.withLock { $0 } }
    func change(_ body: @Sendable (inout Value) -> Void) { content.withLock { body(&$0) } }
}

/// A number that closures share.
final class Counter: Sendable {
    private let number = Atomic<Int>(0)
    var value: Int { number.load(ordering: .sequentiallyConsistent) }
    /// The new number.
    @discardableResult func add(_ amount: Int) -> Int { number.add(amount, ordering: .sequentiallyConsistent).newValue }
}
