import CSQLite
import Glibc
import Logging
import Synchronization

/// The embedded store: one SQLite file in WAL mode, synced before a write is answered.
///
/// One thread owns the writing connection. It drains the queue, checks each write's guard, commits all of them in one
/// transaction (one fsync for everybody who waits), hands the changes to the sinks and only then answers.
public final class SQLiteStore: Store {
    /// Writes in one transaction at most, so that the first of them does not wait for long.
    private static let maxBatch = 512
    /// Superseded rows removed in one transaction; others' writes come in between.
    private static let compactionSlice = 2000

    private enum Job: Sendable {
        case write(StoreWrite, @Sendable (Result<Int64, StoreError>) -> Void)
        case compact(Int64, @Sendable (StoreError?) -> Void)
    }

    public let path: String
    private let log: Logger
    private let queue = StoreQueue<Job>()
    private let current: Atomic<Int64>
    private let compacted: Atomic<Int64>
    private let sinks = Mutex<[@Sendable (StoreUpdate) -> Void]>([])
    private let reader: Mutex<Reader>
    private let thread: Mutex<Thread>

    /// Why the newest transaction failed; nil when it did not.
    private let lastFailure = Mutex<String?>(nil)

    private struct Thread: @unchecked Sendable { var handle: pthread_t? }
    /// Owned by whoever holds the mutex around it.
    private struct Reader: @unchecked Sendable { var connection: SQLiteConnection }

    /// Opens or creates the file. Nothing is overwritten: a file that is damaged, newer or not ours is left alone.
    public static func open(path: String, log: Logger) throws(StoreError) -> SQLiteStore {
        try open(path: path, migrations: StoreSchema.migrations, log: log)
    }

    static func open(path: String, migrations: [String], log: Logger) throws(StoreError) -> SQLiteStore {
        let lock = try SQLiteFile.lock(path)
        do throws(StoreError) {
            let connection = try SQLiteFile.open(path, migrations: migrations, log: log)
            return try SQLiteStore(path: path, connection: connection, lock: lock, log: log)
        } catch {
            Glibc.close(lock)
            throw error
        }
    }

    private init(path: String, connection: SQLiteConnection, lock: Int32, log: Logger) throws(StoreError) {
        self.path = path
        self.log = log
        do throws(SQLiteError) {
            let oldest = try connection.integer("SELECT value FROM meta WHERE name = 'compacted'")
            let newest = try connection.integer("SELECT COALESCE(MAX(rev), 0) FROM log")
            compacted = Atomic(oldest)
            current = Atomic(max(oldest, newest))
            reader = Mutex(Reader(connection: try SQLiteConnection(path: path, .write)))
        } catch {
            throw SQLiteFile.unusable(path, error)
        }
        thread = Mutex(Thread(handle: nil))
        // The connection moves to the writer's thread and is used nowhere else from here on.
        nonisolated(unsafe) let writing = connection
        let handle = startThread(named: "store") { [self] in
            run(writing)
            Glibc.close(lock)
        }
        guard let handle else { throw .unusable("cannot start the store's thread") }
        thread.withLock { $0 = Thread(handle: handle) }
    }

    public var revision: Int64 { current.load(ordering: .acquiring) }
    public var compactedRevision: Int64 { compacted.load(ordering: .acquiring) }

    public func addSink(_ sink: @escaping @Sendable (StoreUpdate) -> Void) { sinks.withLock { $0.append(sink) } }

    public var isShared: Bool { false }
    public func start() {}
    public func announce(_ address: String, as name: String) -> [String] { [address] }
    public func catchUp(_ completion: @escaping @Sendable (StoreError?) -> Void) { completion(nil) }
    public var compactionInterval: Duration { .seconds(60) }

    public func submit(_ write: StoreWrite, completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void) {
        if !queue.append(.write(write, completion)) { completion(.failure(.closed)) }
    }

    public func compact(through revision: Int64) async throws(StoreError) {
        let error: StoreError? = await withCheckedContinuation { continuation in
            if !queue.append(.compact(revision, { continuation.resume(returning: $0) })) {
                continuation.resume(returning: .closed)
            }
        }
        if let error { throw error }
    }

    public func close() {
        queue.close()
        let handle = thread.withLock { thread in
            defer { thread.handle = nil }
            return thread.handle
        }
        if let handle { pthread_join(handle, nil) }
    }

    public var failure: String? { lastFailure.withLock { $0 } }

    public var backlog: Int { queue.count }

    // MARK: - Reading

    public func get(_ key: String) throws(StoreError) -> StoreRecord? {
        try read { connection throws(SQLiteError) in
            let query = try connection.prepare(
                "SELECT log.rev, log.create_rev, log.value FROM kv JOIN log ON log.rev = kv.rev WHERE kv.key = ?1")
            query.bind(1, key)
            guard try query.step() else { return nil }
            return StoreRecord(
                key: key, revision: query.int(0), createRevision: query.int(1), value: query.bytes(2))
        }
    }

    public func list(prefix: String) throws(StoreError) -> (revision: Int64, records: [StoreRecord]) {
        try read { connection throws(SQLiteError) in
            try connection.execute("BEGIN")
            defer { connection.endRead() }
            let revision = max(
                try connection.integer("SELECT COALESCE(MAX(rev), 0) FROM log"),
                try connection.integer("SELECT value FROM meta WHERE name = 'compacted'"))
            let query = try connection.prepare(
                """
                SELECT kv.key, log.rev, log.create_rev, log.value FROM kv JOIN log ON log.rev = kv.rev
                WHERE kv.key >= ?1 AND kv.key < ?2 ORDER BY kv.key
                """)
            query.bind(1, prefix)
            query.bind(2, Self.end(of: prefix))
            var records: [StoreRecord] = []
            while try query.step() {
                records.append(
                    StoreRecord(
                        key: query.string(0), revision: query.int(1), createRevision: query.int(2),
                        value: query.bytes(3)))
            }
            return (revision, records)
        }
    }

    public func events(after revision: Int64, limit: Int) throws(StoreError) -> [StoreEvent] {
        let oldest = compactedRevision
        if revision < oldest { throw .compacted(through: oldest) }
        return try read { connection throws(SQLiteError) in
            let query = try connection.prepare(
                """
                SELECT l.rev, l.key, l.create_rev, l.prev_rev, l.value, p.value FROM log l
                LEFT JOIN log p ON p.rev = l.prev_rev AND l.prev_rev > 0
                WHERE l.rev > ?1 ORDER BY l.rev LIMIT ?2
                """)
            query.bind(1, revision)
            query.bind(2, Int64(limit))
            var events: [StoreEvent] = []
            while try query.step() {
                events.append(
                    StoreEvent(
                        key: query.string(1), revision: query.int(0), createRevision: query.int(2),
                        value: query.isNull(4) ? nil : query.bytes(4), previousRevision: query.int(3),
                        previousValue: query.isNull(5) ? nil : query.bytes(5), facts: nil))
            }
            return events
        }
    }

    public func backup(to target: String) throws(StoreError) {
        let descriptor = Glibc.open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        if descriptor < 0 {
            throw .failed("cannot write backup \(target): \(String(cString: strerror(errno)))")
        }
        Glibc.close(descriptor)
        do throws(SQLiteError) {
            // A connection of its own: the copy takes long, and readers go on beside it.
            let connection = try SQLiteConnection(path: path, .write)
            let statement = try connection.prepare("VACUUM INTO ?1")
            statement.bind(1, target)
            try statement.run()
        } catch {
            unlink(target)
            throw .failed("cannot write backup \(target): \(error)")
        }
    }

    private func read<T>(_ body: (SQLiteConnection) throws(SQLiteError) -> T) throws(StoreError) -> T {
        let result: Result<T, StoreError> = reader.withLock { reader in
            do throws(SQLiteError) {
                return .success(try body(reader.connection))
            } catch {
                return .failure(.failed("cannot read store \(path): \(error)"))
            }
        }
        return try result.get()
    }

    /// The first key after all those with the prefix.
    private static func end(of prefix: String) -> String {
        // Keys are ASCII paths; DEL is beyond every byte they hold.
        prefix + "\u{7f}"
    }

    // MARK: - The writer's thread

    private func run(_ connection: SQLiteConnection) {
        do throws(SQLiteError) {
            let writer = try SQLiteWriter(connection)
            while let jobs = queue.take(limit: Self.maxBatch) { perform(jobs, writer) }
            // Leaves one file behind, with nothing in the log beside it.
            try connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        } catch {
            log.error("store closed with an error", metadata: ["path": "\(path)", "err": "\(error)"])
            queue.close()
            while let jobs = queue.take(limit: Self.maxBatch) {
                for job in jobs { fail(job, .failed("cannot write store \(path): \(error)")) }
            }
        }
    }

    private func fail(_ job: Job, _ error: StoreError) {
        switch job {
        case .write(_, let completion): completion(.failure(error))
        case .compact(_, let completion): completion(error)
        }
    }

    private func perform(_ jobs: [Job], _ writer: SQLiteWriter) {
        var writes: [(StoreWrite, @Sendable (Result<Int64, StoreError>) -> Void)] = []
        writes.reserveCapacity(jobs.count)
        for job in jobs {
            switch job {
            case .write(let write, let completion): writes.append((write, completion))
            case .compact(let revision, let completion): compact(revision, completion, writer)
            }
        }
        if !writes.isEmpty { commit(writes, writer) }
    }

    private func commit(
        _ writes: [(StoreWrite, @Sendable (Result<Int64, StoreError>) -> Void)], _ writer: SQLiteWriter
    ) {
        var results: [Result<Int64, StoreError>] = []
        results.reserveCapacity(writes.count)
        var events: [StoreEvent] = []
        events.reserveCapacity(writes.count)
        do throws(SQLiteError) {
            var revision = current.load(ordering: .relaxed)
            try writer.begin()
            for (write, _) in writes {
                switch try writer.apply(write, as: revision + 1) {
                case .success(let event):
                    revision += 1
                    events.append(event)
                    results.append(.success(revision))
                case .failure(let error):
                    results.append(.failure(error))
                }
            }
            try events.isEmpty ? writer.rollback() : writer.commit()
            lastFailure.withLock { $0 = nil }
            if !events.isEmpty {
                for sink in sinks.withLock({ $0 }) { sink(.changes(events, through: revision)) }
                current.store(revision, ordering: .releasing)
            }
        } catch {
            writer.abandon()
            log.error("cannot write to the store", metadata: ["path": "\(path)", "err": "\(error)"])
            let failure = StoreError.failed("cannot write store \(path): \(error)")
            lastFailure.withLock { $0 = failure.description }
            for (_, completion) in writes { completion(.failure(failure)) }
            return
        }
        for ((_, completion), result) in zip(writes, results) { completion(result) }
    }

    private func compact(_ revision: Int64, _ completion: @Sendable (StoreError?) -> Void, _ writer: SQLiteWriter) {
        do throws(SQLiteError) {
            let from = compacted.load(ordering: .relaxed)
            let target = min(revision, current.load(ordering: .relaxed))
            if target > from {
                // Readers are turned away first: what they'd miss is removed next.
                compacted.store(target, ordering: .releasing)
                try writer.compact(from: from, through: target, slice: Self.compactionSlice)
            }
            completion(nil)
        } catch {
            writer.abandon()
            log.warning("cannot compact the store", metadata: ["path": "\(path)", "err": "\(error)"])
            completion(.failed("cannot compact store \(path): \(error)"))
        }
    }
}

extension SQLiteConnection {
    /// Ends a read transaction. It has nothing to lose, so an error has nobody to tell.
    fileprivate func endRead() {
        try? execute("COMMIT")  // fails only when SQLite has ended the transaction itself
    }
}
