import KubeAPI
import Logging
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2))) struct InformerTests {
    private let server = FakeServer()
    private let journal = Journal<String>()

    private func informer() -> Informer {
        let informer = Informer(server, .configMaps, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        informer.onEvent { [journal] event in
            switch event {
            case .added(let object): journal.write("+\(object.name)=\(object["data"]["v"].stringValue)")
            case .updated(let old, let new):
                journal.write("\(new.name): \(old["data"]["v"].stringValue)>\(new["data"]["v"].stringValue)")
            case .deleted(let object): journal.write("-\(object.name)")
            }
        }
        return informer
    }

    /// Runs the informer during the body.
    private func running(_ informer: Informer, _ body: () async throws -> Void) async rethrows {
        let task = Task { await informer.run() }
        try await body()
        task.cancel()
        await task.value
    }

    private func eventually(_ condition: @escaping () -> Bool) async {
        while !condition() { await Task.yield() }
    }

    @Test func listsThenWatches() async {
        server.put("a", "1")
        let informer = informer()
        #expect(!informer.hasSynced)
        await running(informer) {
            await informer.waitForSync()
            #expect(informer.hasSynced)
            #expect(await journal.next() == ["+a=1"])
            #expect(informer.get("n/a")?.kind == "ConfigMap")
            #expect(informer.get("n/a")?.apiVersion == "v1")
            server.put("a", "2")
            server.put("b", "1")
            server.remove("a")
            #expect(await journal.next(3) == ["a: 1>2", "+b=1", "-a"])
            #expect(informer.get("n/a") == nil)
            #expect(informer.count == 1)
            #expect(informer.all().map(\.name) == ["b"])
        }
        #expect(server.lists == 1)
    }

    @Test func watchesFromTheListsRevision() async {
        server.put("a", "1")
        let informer = informer()
        await running(informer) {
            await informer.waitForSync()
            await eventually { server.watchers == 1 }
        }
        let watch = server.requests.first { $0.parameter("watch") == "true" }
        #expect(watch?.parameter("resourceVersion") == "11")
        #expect(watch?.parameter("allowWatchBookmarks") == "true")
        #expect(watch?.path == "/api/v1/configmaps")
    }

    @Test func passesSelectorsOn() async {
        let informer = Informer(
            server, .pods, namespace: "n", labelSelector: "a=b", fieldSelector: "spec.nodeName=n1",
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        await running(informer) { await informer.waitForSync() }
        for request in server.requests {
            #expect(request.path == "/api/v1/namespaces/n/pods")
            #expect(request.parameter("labelSelector") == "a=b")
            #expect(request.parameter("fieldSelector") == "spec.nodeName=n1")
        }
    }

    @Test func goesOnWhereAWatchEnded() async {
        let informer = informer()
        await running(informer) {
            await informer.waitForSync()
            server.put("a", "1")
            #expect(await journal.next() == ["+a=1"])
            for error in [nil, APIConnectionError("reset")] as [APIConnectionError?] {
                await eventually { server.watchers == 1 }
                server.dropWatches(error)
                server.put("a", error == nil ? "2" : "3")
                #expect(await journal.next() == [error == nil ? "a: 1>2" : "a: 2>3"])
            }
        }
        // Nothing was listed again.
        #expect(server.lists == 1)
    }

    @Test func listsAgainWhenItsRevisionIsGone() async {
        server.put("a", "1")
        server.put("b", "1")
        server.put("c", uid: "first", "1")
        let informer = informer()
        await running(informer) {
            await informer.waitForSync()
            _ = await journal.next(3)
            await eventually { server.watchers == 1 }
            // While the informer does not look: a is changed, b deleted, c made anew, d made.
            server.trouble(.unreachable)
            server.dropWatches()
            server.put("a", "2")
            server.remove("b")
            server.remove("c")
            server.put("c", uid: "second", "2")
            server.put("d", "1")
            server.compact()
            let events = await journal.next(5)
            #expect(Set(events) == ["a: 1>2", "-b", "-c", "+c=2", "+d=1"])
            // What is gone is told before what came.
            #expect(events.firstIndex(of: "-c") ?? 9 < events.firstIndex(of: "+c=2") ?? 0)
            #expect(server.lists == 2)
            server.put("d", "2")
            #expect(await journal.next() == ["d: 1>2"])
        }
    }

    @Test func bookmarksMoveTheRevision() async {
        let informer = informer()
        await running(informer) {
            await informer.waitForSync()
            await eventually { server.watchers == 1 }
            server.put("a", "1")
            _ = await journal.next()
            server.bookmark()
            server.compact()
            server.put("b", "1")
            #expect(await journal.next() == ["+b=1"])
            server.dropWatches()
            server.put("c", "1")
            #expect(await journal.next() == ["+c=1"])
        }
        #expect(server.lists == 1)
    }

    @Test func triesAgainAfterEveryTrouble() async {
        server.put("a", "1")
        server.trouble(.unreachable, .status(.internalError("no")), .garbage)
        let informer = informer()
        await running(informer) {
            await informer.waitForSync()
            #expect(await journal.next() == ["+a=1"])
            await eventually { server.watchers == 1 }
            server.trouble(.status(.internalError("no")), .garbage, .end, .gone)
            server.dropWatches()
            server.put("a", "2")
            #expect(await journal.next() == ["a: 1>2"])
        }
    }

    @Test func handlersMayReadTheInformer() async {
        let informer = informer()
        let seen = Journal<Int>()
        informer.onEvent { [weak informer] event in
            seen.write(informer?.count ?? -1)
            _ = informer?.get(event.object.objectKey)
        }
        await running(informer) {
            await informer.waitForSync()
            server.put("a", "1")
            server.put("b", "1")
            #expect(await seen.next(2).last == 2)
        }
    }

    @Test func lateHandlersHearWhatIsKnown() async {
        server.put("a", "1")
        let informer = informer()
        await running(informer) {
            await informer.waitForSync()
            let late = Journal<String>()
            informer.onEvent { late.write($0.object.name) }
            #expect(late.entries == ["a"])
            server.put("b", "1")
            #expect(await late.next(2) == ["a", "b"])
        }
    }

    @Test func waitingEndsWithTheInformerAndWithTheWaiter() async {
        server.trouble(.unreachable, .unreachable, .unreachable, .unreachable, .unreachable, .unreachable)
        let informer = informer()
        let waiter = Task { await informer.waitForSync() }
        waiter.cancel()
        await waiter.value
        let run = Task { await informer.run() }
        let other = Task { await informer.waitForSync() }
        await eventually { !server.requests.isEmpty }
        run.cancel()
        await run.value
        await other.value
        #expect(!informer.hasSynced)
    }

    /// Whatever happens on the way, each object's events follow from one another, and in the end both sides agree.
    @Test func losesAndDoublesNothing() async {
        let seed = UInt64.random(in: 0..<1 << 48)
        var random = SeededGenerator(seed: seed)
        let informer = Informer(server, .configMaps, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let known = Mutex<[String: String]>([:])
        let faults = Mutex<[String]>([])
        informer.onEvent { event in
            known.withLock { known in
                let key = event.object.objectKey
                let version = event.object.resourceVersion
                let problem: String? =
                    switch event {
                    case .added: known[key] == nil ? nil : "added twice: \(key)"
                    case .updated(let old, _):
                        known[key] != old.resourceVersion
                            ? "updated from \(old.resourceVersion), not \(known[key] ?? "nothing"): \(key)"
                            : Int(version) ?? 0 > Int(old.resourceVersion) ?? 0 ? nil : "went back: \(key)"
                    case .deleted: known[key] == nil ? "deleted twice: \(key)" : nil
                    }
                if let problem { faults.withLock { $0.append(problem) } }
                if case .deleted = event { known[key] = nil } else { known[key] = version }
            }
        }
        await running(informer) {
            await informer.waitForSync()
            for step in 0..<400 {
                let name = "o\(Int.random(in: 0..<12, using: &random))"
                switch Int.random(in: 0..<100, using: &random) {
                case 0..<70: server.put(name, uid: "\(Int.random(in: 0..<2, using: &random))", "\(step)")
                case 70..<92: server.remove(name)
                case 92..<94: server.dropWatches()
                case 94: server.compact()
                case 95: server.bookmark()
                default: await Task.yield()
                }
            }
            server.put("last", "x")
            await eventually { informer.get("n/last") != nil }
            let expected = server.objects.mapValues(\.resourceVersion)
            await eventually { known.withLock { $0 } == expected }
        }
        #expect(faults.withLock { $0 } == [], "seed \(seed)")
    }
}
