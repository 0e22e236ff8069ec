import Testing

@testable import ControlPlane

/// What every store promises, whatever is behind it. A suite for a store runs every check with a way to make an empty
/// one.
struct StoreContract: Sendable {
    enum Check: String, CaseIterable, Sendable {
        case createTakesAKeyOnce, guardsHold, listsByPrefix, sinksSeeBeforeAuthors, historyTellsChanges,
            compactionForgets, closingFinishes, oneOfManyAuthorsWins, ordersAndRepeatsNothing, takesLargeValues,
            listsManyPages, catchesUp
    }

    func run(_ check: Check) async throws {
        switch check {
        case .createTakesAKeyOnce: try await createTakesAKeyOnce()
        case .guardsHold: try await guardsHold()
        case .listsByPrefix: try await listsByPrefix()
        case .sinksSeeBeforeAuthors: try await sinksSeeBeforeAuthors()
        case .historyTellsChanges: try await historyTellsChanges()
        case .compactionForgets: try await compactionForgets()
        case .closingFinishes: try await closingFinishes()
        case .oneOfManyAuthorsWins: try await oneOfManyAuthorsWins()
        case .ordersAndRepeatsNothing: try await ordersAndRepeatsNothing()
        case .takesLargeValues: try await takesLargeValues()
        case .listsManyPages: try await listsManyPages()
        case .catchesUp: try await catchesUp()
        }
    }

    let make: @Sendable () async throws -> any Store

    private func write(_ store: any Store, _ write: StoreWrite) async -> Result<Int64, StoreError> {
        await withCheckedContinuation { continuation in
            store.submit(write) { continuation.resume(returning: $0) }
        }
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A create takes a key once; its revision is above all earlier ones.
    func createTakesAKeyOnce() async throws {
        let store = try await make()
        let before = store.revision
        let first = try await write(store, .create("pods/a/x", bytes("1"))).get()
        #expect(first > before)
        #expect(await write(store, .create("pods/a/x", bytes("2"))) == .failure(.exists(revision: first)))
        let record = try #require(try await store.get("pods/a/x"))
        #expect(record == StoreRecord(key: "pods/a/x", revision: first, createRevision: first, value: bytes("1")))
        #expect(try await store.get("pods/a/y") == nil)
        #expect(store.revision == first)
        await store.close()
    }

    /// An update or delete holds only over the revision that its author saw.
    func guardsHold() async throws {
        let store = try await make()
        let first = try await write(store, .create("k/x", bytes("1"))).get()
        let second = try await write(store, .update("k/x", bytes("2"), at: first)).get()
        #expect(second > first)
        #expect(await write(store, .update("k/x", bytes("3"), at: first)) == .failure(.conflict(revision: second)))
        #expect(await write(store, .delete("k/x", at: first)) == .failure(.conflict(revision: second)))
        #expect(await write(store, .update("k/none", bytes("3"), at: 1)) == .failure(.notFound))
        #expect(await write(store, .delete("k/none", at: 1)) == .failure(.notFound))
        let record = try #require(try await store.get("k/x"))
        #expect(record.createRevision == first && record.revision == second && record.value == bytes("2"))
        _ = try await write(store, .delete("k/x", at: second)).get()
        #expect(try await store.get("k/x") == nil)
        // The name is free again, as another object.
        let again = try await write(store, .create("k/x", bytes("4"))).get()
        #expect(try await store.get("k/x")?.createRevision == again)
        await store.close()
    }

    /// A list has all keys of the prefix and no other, in order.
    func listsByPrefix() async throws {
        let store = try await make()
        for key in ["pods/b/1", "pods/a/2", "podsx/a/1", "pods/a/1", "pod/a/1"] {
            _ = try await write(store, .create(key, bytes(key))).get()
        }
        let (revision, records) = try await store.list(prefix: "pods/")
        #expect(records.map(\.key) == ["pods/a/1", "pods/a/2", "pods/b/1"])
        #expect(records.map(\.value) == records.map { bytes($0.key) })
        #expect(revision == store.revision)
        await store.close()
    }

    /// Writes that wait together are committed together, each with its own result, and every sink sees them in order
    /// before their authors are told.
    func sinksSeeBeforeAuthors() async throws {
        let store = try await make()
        let seen = Box<[StoreEvent]>([])
        let late = Counter()
        store.addSink { update in
            if case .changes(let events, _) = update { seen.change { $0 += events } }
        }
        let keys = (0..<200).map { "k/\($0)" }
        await withTaskGroup(of: Void.self) { group in
            for key in keys {
                group.addTask {
                    // Two authors of one key: one of them wins.
                    for _ in 0..<2 {
                        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                            store.submit(.create(key, Array(key.utf8))) { result in
                                if case .success(let revision) = result,
                                    !seen.value.contains(where: { $0.revision == revision && $0.key == key })
                                {
                                    late.add(1)
                                }
                                continuation.resume()
                            }
                        }
                    }
                }
            }
        }
        let events = seen.value
        #expect(late.value == 0)
        #expect(Set(events.map(\.key)) == Set(keys) && events.count == keys.count)
        #expect(events.map(\.revision) == events.map(\.revision).sorted())
        #expect(Set(events.map(\.revision)).count == events.count)
        #expect(events.allSatisfy { $0.previousRevision == 0 && !$0.isDelete })
        await store.close()
    }

    /// History tells every change after a revision, with what it replaced.
    func historyTellsChanges() async throws {
        let store = try await make()
        let start = store.revision
        let first = try await write(store, .create("k/x", bytes("1"))).get()
        let second = try await write(store, .update("k/x", bytes("2"), at: first)).get()
        let third = try await write(store, .delete("k/x", at: second)).get()
        let events = try await store.events(after: start, limit: 10)
        #expect(events.map(\.revision) == [first, second, third])
        #expect(events.map(\.value) == [bytes("1"), bytes("2"), nil])
        #expect(events.map(\.previousRevision) == [0, first, second])
        #expect(events.map(\.previousValue) == [nil, bytes("1"), bytes("2")])
        #expect(try await store.events(after: first, limit: 1).map(\.revision) == [second])
        #expect(try await store.events(after: third, limit: 10).isEmpty)
        await store.close()
    }

    /// Compaction forgets what was superseded, keeps what is current, and says so to those who ask for more.
    func compactionForgets() async throws {
        let store = try await make()
        let start = store.compactedRevision
        let first = try await write(store, .create("k/x", bytes("1"))).get()
        let second = try await write(store, .update("k/x", bytes("2"), at: first)).get()
        let kept = try await write(store, .create("k/y", bytes("y"))).get()
        let gone = try await write(store, .create("k/z", bytes("z"))).get()
        _ = try await write(store, .delete("k/z", at: gone)).get()
        let third = try await write(store, .update("k/x", bytes("3"), at: second)).get()
        try await store.compact(through: third)
        #expect(store.compactedRevision == third)
        await #expect(throws: StoreError.compacted(through: third)) { try await store.events(after: start, limit: 10) }
        await #expect(throws: StoreError.compacted(through: third)) { try await store.events(after: kept, limit: 10) }
        #expect(try await store.events(after: third, limit: 10).isEmpty)
        #expect(try await store.list(prefix: "k/").records.map(\.revision) == [third, kept])
        // A change after compaction still knows what it replaced.
        let fourth = try await write(store, .update("k/x", bytes("4"), at: third)).get()
        let events = try await store.events(after: third, limit: 10)
        #expect(events.map(\.previousValue) == [bytes("3")])
        #expect(fourth > third)
        // Never backwards.
        try await store.compact(through: first)
        #expect(store.compactedRevision == third)
        await store.close()
    }

    /// After closing, writes are refused and what was queued is done.
    func closingFinishes() async throws {
        let store = try await make()
        let results = Box<[Result<Int64, StoreError>]>([])
        for index in 0..<50 {
            store.submit(.create("k/\(index)", bytes("v"))) { result in results.change { $0.append(result) } }
        }
        await store.close()
        #expect(results.value.count == 50)
        #expect(results.value.allSatisfy { (try? $0.get()) != nil })
        #expect(await write(store, .create("k/late", bytes("v"))) == .failure(.closed))
        await #expect(throws: StoreError.closed) { try await store.compact(through: 1) }
    }

    /// Of those who write over the same state, one is told that it has; nothing is lost.
    func oneOfManyAuthorsWins() async throws {
        let store = try await make()
        var revision = try await write(store, .create("k/n", bytes("0"))).get()
        for round in 1...20 {
            let seen = revision
            let results = await withTaskGroup(of: Result<Int64, StoreError>.self) { group in
                for author in 0..<8 {
                    group.addTask { await write(store, .update("k/n", bytes("\(round) \(author)"), at: seen)) }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            let won = results.compactMap { try? $0.get() }  // the others have lost
            #expect(won.count == 1)
            revision = try #require(won.first)
            for case .failure(let error) in results { #expect(error == .conflict(revision: revision)) }
        }
        #expect(try await store.get("k/n")?.revision == revision)
        await store.close()
    }

    /// Sinks see every change of many authors once, each key's in the order in which they were made.
    func ordersAndRepeatsNothing() async throws {
        let store = try await make()
        let seen = Box<[StoreEvent]>([])
        let through = Box<[Int64]>([])
        store.addSink { update in
            guard case .changes(let events, let revision) = update else { return }
            seen.change { $0 += events }
            through.change { $0.append(revision) }
        }
        await withTaskGroup(of: Void.self) { group in
            for author in 0..<10 {
                group.addTask {
                    let key = "k/\(author)"
                    guard var revision = try? await write(store, .create(key, bytes("0"))).get() else { return }
                    for step in 1..<20 {
                        let next = await write(store, .update(key, bytes("\(step)"), at: revision))
                        guard let next = try? next.get() else { return }  // counted below
                        revision = next
                    }
                    _ = await write(store, .delete(key, at: revision))
                }
            }
        }
        let events = seen.value
        #expect(events.count == 10 * 21)
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.revision < $1.revision })
        #expect(through.value == through.value.sorted() && through.value.last == store.revision)
        for author in 0..<10 {
            let values = events.filter { $0.key == "k/\(author)" }.map {
                $0.value.map { String(decoding: $0, as: UTF8.self) }
            }
            #expect(values == (0..<20).map { "\($0)" } + [nil])
        }
        await store.close()
    }

    /// A large value is stored whole, or refused as too large, and the store goes on.
    func takesLargeValues() async throws {
        let store = try await make()
        let large = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        _ = try await write(store, .create("k/large", large)).get()
        #expect(try await store.get("k/large")?.value == large)
        let larger = large + large + large
        switch await write(store, .create("k/larger", larger)) {
        case .success: #expect(try await store.get("k/larger")?.value == larger)
        case .failure(.tooLarge): #expect(try await store.get("k/larger") == nil)
        case .failure(let error): Issue.record("\(error)")
        }
        _ = try await write(store, .create("k/small", bytes("1"))).get()
        await store.close()
    }

    /// A list is of one revision, however much it holds and whoever writes meanwhile.
    func listsManyPages() async throws {
        let store = try await make()
        let names = (0..<400).map { "k/\(1000 + $0)" }
        await withTaskGroup(of: Void.self) { group in
            for name in names { group.addTask { _ = await write(store, .create(name, bytes(name))) } }
        }
        async let writing: Void = {
            for index in 0..<100 { _ = await write(store, .create("k/\(2000 + index)", bytes("new"))) }
        }()
        let (revision, records) = try await store.list(prefix: "k/")
        await writing
        #expect(records.prefix(400).map(\.key) == names)
        #expect(records.allSatisfy { $0.revision <= revision })
        let later = try await store.list(prefix: "k/").records.filter { $0.revision <= revision }
        #expect(later.map(\.key) == records.map(\.key))
        await store.close()
    }

    /// Whoever has caught up sees what was written before.
    func catchesUp() async throws {
        let store = try await make()
        store.addSink { _ in }
        for index in 0..<20 {
            let revision = try await write(store, .create("k/\(index)", bytes("v"))).get()
            let failure = await withCheckedContinuation { continuation in
                store.catchUp { continuation.resume(returning: $0) }
            }
            #expect(failure == nil && store.revision >= revision)
        }
        await store.close()
    }
}
