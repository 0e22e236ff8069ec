import KubeAPI
import Testing
import Transport

@testable import ControlPlane

@Suite struct InProcessClientTests {
    private let server: TestServer
    private let cache: ResourceCache

    init() async throws {
        server = try await TestServer()
        cache = try #require(server.registry.find("", "v1", "configmaps")).cache
    }

    private func lines() async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await server.admin.lines(
            APIRequest(.get, "/api/v1/configmaps", query: [("watch", "true"), ("resourceVersion", "0")]))
    }

    @Test func sendsTheSameBytesAsASocketWould() async throws {
        try await server.makeConfigMap("a", ["k": "v"])
        let response = try await server.admin.send(APIRequest(.get, "/api/v1/namespaces/default/configmaps/a"))
        #expect(response.status == 200 && response.contentType == "application/json")
        let answer = try await server.get("/api/v1/namespaces/default/configmaps/a")
        #expect(response.body == answer.body)
    }

    @Test func errorsComeAsStatus() async throws {
        let error = await refusal { try await server.admin.get(.configMaps, namespace: "default", name: "none") }
        #expect(error?.message == "configmaps \"none\" not found")
        let watch = await refusal {
            try await server.client(as: .anonymous).lines(APIRequest(.get, "/api/v1/pods", query: [("watch", "1")]))
        }
        #expect(watch?.code == 403)
    }

    /// A reader that stops reading loses nothing: the queue is bounded, and the rest waits in the cache's ring.
    @Test func aSlowReaderGetsEverythingInOrder() async throws {
        var iterator = try await lines().makeAsyncIterator()
        for index in 0..<1000 { try await server.makeConfigMap("c\(index)") }
        for index in 0..<1000 {
            let line = try #require(try await iterator.next())
            #expect(try JSON.parse(line)["object"].name == "c\(index)")
        }
    }

    @Test func whoDropsTheStreamEndsTheWatch() async throws {
        var stream: AsyncThrowingStream<[UInt8], any Error>? = try await lines()
        try await server.makeConfigMap("a")
        #expect(cache.watcherCount == 1)
        _ = stream
        stream = nil
        #expect(
            try await eventually {
                // Watchers that have gone are noticed at the next change.
                try await server.admin.patch(
                    .configMaps, namespace: "default", name: "a",
                    ["data": ["k": .string("\(server.store.revision)")]])
                return cache.watcherCount == 0
            })
    }

    @Test func whoIsCancelledEndsTheWatch() async throws {
        let seen = Counter()
        let task = Task {
            for try await _ in try await lines() { seen.add(1) }
        }
        #expect(try await eventually { cache.watcherCount == 1 })
        try await server.makeConfigMap("a")
        #expect(try await eventually { seen.value == 1 })
        task.cancel()
        _ = await task.result
        try await server.makeConfigMap("b")
        #expect(cache.watcherCount == 0)
    }

    @Test func theEndOfAWatchIsTheEndOfTheStream() async throws {
        var iterator = try await lines().makeAsyncIterator()
        server.registry.hub.finishWatches()
        #expect(try await iterator.next() == nil)
    }

    @Test func framesAreCutIntoLines() async throws {
        let stream = InProcessStream()
        for text in ["a\nb", "c\n", "\n", "d\nincomplete"] { stream.write(Frame(Array(text.utf8))) }
        stream.finish()
        var frames: [String] = []
        let reader = LineReader(stream, rest: [])
        while let line = try await reader.next() { frames.append(String(decoding: line, as: UTF8.self)) }
        #expect(frames == ["a", "bc", "d"])
    }

    @Test func aStreamIsBounded() async throws {
        let stream = InProcessStream()
        let room = Counter()
        stream.onWritable { room.add(1) }
        var written = 0
        while stream.isWritable {
            #expect(stream.write(Frame([0x61])))
            written += 1
        }
        #expect(written > 10 && written < 1000)
        for _ in 0..<written { _ = try await stream.next() }
        #expect(room.value == 1 && stream.isWritable)
        // Who writes without looking is cut off in the end, and the reader told.
        var count = 0
        while stream.write(Frame([0x61])) { count += 1 }
        #expect(count < 10_000)
        await #expect(throws: APIConnectionError.self) { try await stream.next() }
    }
}
