import Testing

@testable import ControlPlane

/// What every store promises, whatever is behind it. A suite for a store calls `check` with a way to make an empty one.
struct StoreContract: Sendable {
    let make: @Sendable () throws -> any Store

    private func write(_ store: any Store, _ write: StoreWrite) async -> Result<Int64, StoreError> {
        await withCheckedContinuation { continuation in
            store.submit(write) { continuation.resume(returning: $0) }
        }
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A create takes a key once; its revision is above all earlier ones.
    func createTakesAKeyOnce() async throws {
        let store = try make()
        defer { store.close() }
        let before = store.revision
        let first = try await write(store, .create("pods/a/x", bytes("1"))).get()
        #expect(first > before)
        #expect(await write(store, .create("pods/a/x", bytes("2"))) == .failure(.exists(revision: first)))
        let record = try #require(try store.get("pods/a/x"))
        #expect(record == StoreRecord(key: "pods/a/x", revision: first, createRevision: first, value: bytes("1")))
        #expect(try store.get("pods/a/y") == nil)
        #expect(store.revision == first)
    }

    /// An update or delete holds only over the revision that its author saw.
    func guardsHold() async throws {
        let store = try make()
        defer { store.close() }
        let first = try await write(store, .create("k/x", bytes("1"))).get()
        let second = try await write(store, .update("k/x", bytes("2"), at: first)).get()
        #expect(second > first)
        #expect(await write(store, .update("k/x", bytes("3"), at: first)) == .failure(.conflict(revision: second)))
        #expect(await write(store, .delete("k/x", at: first)) == .failure(.conflict(revision: second)))
        #expect(await write(store, .update("k/none", bytes("3"), at: 1)) == .failure(.notFound))
        #expect(await write(store, .delete("k/none", at: 1)) == .failure(.notFound))
        let record = try #require(try store.get("k/x"))
        #expect(record.createRevision == first && record.revision == second && record.value == bytes("2"))
        _ = try await write(store, .delete("k/x", at: second)).get()
        #expect(try store.get("k/x") == nil)
        // The name is free again, as another object.
        let again = try await write(store, .create("k/x", bytes("4"))).get()
        #expect(try store.get("k/x")?.createRevision == again)
    }

    /// A list has all keys of the prefix and no other, in order.
    func listsByPrefix() async throws {
        let store = try make()
        defer { store.close() }
        for key in ["pods/b/1", "pods/a/2", "podsx/a/1", "pods/a/1", "pod/a/1"] {
            _ = try await write(store, .create(key, bytes(key))).get()
        }
        let (revision, records) = try store.list(prefix: "pods/")
        #expect(records.map(\.key) == ["pods/a/1", "pods/a/2", "pods/b/1"])
        #expect(records.map(\.value) == records.map { bytes($0.key) })
        #expect(revision == store.revision)
    }

    /// Writes that wait together are committed together, each with its own result, and every sink sees them in order
    /// before their authors are told.
    func sinksSeeBeforeAuthors() async throws {
        let store = try make()
        defer { store.close() }
        let seen = Box<[StoreEvent]>([])
        let late = Counter()
        store.addSink { events in seen.change { $0 += events } }
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
    }

    /// History tells every change after a revision, with what it replaced.
    func historyTellsChanges() async throws {
        let store = try make()
        defer { store.close() }
        let start = store.revision
        let first = try await write(store, .create("k/x", bytes("1"))).get()
        let second = try await write(store, .update("k/x", bytes("2"), at: first)).get()
        let third = try await write(store, .delete("k/x", at: second)).get()
        let events = try store.events(after: start, limit: 10)
        #expect(events.map(\.revision) == [first, second, third])
        #expect(events.map(\.value) == [bytes("1"), bytes("2"), nil])
        #expect(events.map(\.previousRevision) == [0, first, second])
        #expect(events.map(\.previousValue) == [nil, bytes("1"), bytes("2")])
        #expect(try store.events(after: first, limit: 1).map(\.revision) == [second])
        #expect(try store.events(after: third, limit: 10).isEmpty)
    }

    /// Compaction forgets what was superseded, keeps what is current, and says so to those who ask for more.
    func compactionForgets() async throws {
        let store = try make()
        defer { store.close() }
        let start = store.compactedRevision
        let first = try await write(store, .create("k/x", bytes("1"))).get()
        let second = try await write(store, .update("k/x", bytes("2"), at: first)).get()
        let kept = try await write(store, .create("k/y", bytes("y"))).get()
        let gone = try await write(store, .create("k/z", bytes("z"))).get()
        _ = try await write(store, .delete("k/z", at: gone)).get()
        let third = try await write(store, .update("k/x", bytes("3"), at: second)).get()
        try await store.compact(through: third)
        #expect(store.compactedRevision == third)
        #expect(throws: StoreError.compacted(through: third)) { try store.events(after: start, limit: 10) }
        #expect(throws: StoreError.compacted(through: third)) { try store.events(after: kept, limit: 10) }
        #expect(try store.events(after: third, limit: 10).isEmpty)
        #expect(try store.list(prefix: "k/").records.map(\.revision) == [third, kept])
        // A change after compaction still knows what it replaced.
        let fourth = try await write(store, .update("k/x", bytes("4"), at: third)).get()
        let events = try store.events(after: third, limit: 10)
        #expect(events.map(\.previousValue) == [bytes("3")])
        #expect(fourth > third)
        // Never backwards.
        try await store.compact(through: first)
        #expect(store.compactedRevision == third)
    }

    /// After closing, writes are refused and what was queued is done.
    func closingFinishes() async throws {
        let store = try make()
        let results = Box<[Result<Int64, StoreError>]>([])
        for index in 0..<50 {
            store.submit(.create("k/\(index)", bytes("v"))) { result in results.change { $0.append(result) } }
        }
        store.close()
        #expect(results.value.count == 50)
        #expect(results.value.allSatisfy { (try? $0.get()) != nil })
        #expect(await write(store, .create("k/late", bytes("v"))) == .failure(.closed))
        await #expect(throws: StoreError.closed) { try await store.compact(through: 1) }
    }
}
