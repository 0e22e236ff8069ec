import CSQLite
import Glibc
import Testing

@testable import ControlPlane

@Suite struct SQLiteStoreTests {
    private let folder: TemporaryFolder
    private let contract: StoreContract
    private var path: String { "\(folder.path)/store.db" }

    init() throws {
        let folder = try TemporaryFolder()
        self.folder = folder
        contract = StoreContract { try SQLiteStore.open(path: "\(folder.path)/store.db", log: quiet) }
    }

    @Test(arguments: StoreContract.Check.allCases)
    func keepsTheContract(_ check: StoreContract.Check) async throws { try await contract.run(check) }

    // MARK: - The file

    private func open() throws -> SQLiteStore { try SQLiteStore.open(path: path, log: quiet) }

    private func create(_ store: SQLiteStore, _ key: String, _ text: String = "v") async throws {
        let result = await withCheckedContinuation { continuation in
            store.submit(.create(key, Array(text.utf8))) { continuation.resume(returning: $0) }
        }
        _ = try result.get()
    }

    private func content(_ path: String) throws -> [UInt8] {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }

    private func overwrite(_ path: String, at offset: Int = 0, _ bytes: [UInt8]) throws {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT, 0o600)
        try #require(descriptor >= 0)
        defer { Glibc.close(descriptor) }
        #expect(pwrite(descriptor, bytes, bytes.count, off_t(offset)) == bytes.count)
    }

    private func sql(_ path: String, _ statements: String) throws {
        let connection = try SQLiteConnection(path: path, .create)
        try connection.execute(statements)
    }

    private func refusal(migrations: [String] = StoreSchema.migrations) -> String? {
        do {
            try SQLiteStore.open(path: path, migrations: migrations, log: quiet).close()
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func reopeningFindsEverything() async throws {
        let store = try open()
        try await create(store, "k/a", "one")
        try await create(store, "k/b", "two")
        let revision = store.revision
        try await store.compact(through: revision - 1)
        store.close()
        let again = try open()
        defer { again.close() }
        #expect(again.revision == revision)
        #expect(again.compactedRevision == revision - 1)
        #expect(try again.list(prefix: "k/").records.map(\.value) == [Array("one".utf8), Array("two".utf8)])
        #expect(try again.events(after: revision - 1, limit: 10).map(\.key) == ["k/b"])
    }

    /// Revisions must never be given out twice: clients compare them.
    @Test func revisionsGoOnAfterEverythingWasDeletedAndCompacted() async throws {
        let store = try open()
        try await create(store, "k/a")
        let revision = store.revision
        let result = await withCheckedContinuation { continuation in
            store.submit(.delete("k/a", at: revision)) { continuation.resume(returning: $0) }
        }
        let last = try result.get()
        try await store.compact(through: last)
        store.close()
        let again = try open()
        defer { again.close() }
        #expect(again.revision == last)
    }

    @Test func theFileIsPrivate() throws {
        try open().close()
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func aSecondProcessIsRefused() throws {
        let store = try open()
        defer { store.close() }
        #expect(refusal() == "cannot open store \(path): another swiftlet process has it open")
    }

    @Test func aDamagedFileIsRefusedAndLeftAlone() async throws {
        let store = try open()
        for index in 0..<50 { try await create(store, "k/\(index)", String(repeating: "x", count: 1000)) }
        store.close()
        try overwrite(path, (0..<8192).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) })
        let before = try content(path)
        let text = try #require(refusal())
        #expect(text.hasPrefix("cannot open store \(path): the file is damaged"))
        #expect(text.contains("swiftlet restore"))
        #expect(try content(path) == before)
    }

    @Test func aFileThatIsNoDatabaseIsRefusedAndLeftAlone() throws {
        try overwrite(path, Array("just some notes of somebody, long enough to be looked at\n".utf8))
        let before = try content(path)
        #expect(refusal()?.hasPrefix("cannot open store \(path): the file is damaged") == true)
        #expect(try content(path) == before)
    }

    @Test func anothersDatabaseIsRefusedAndLeftAlone() throws {
        try sql(path, "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')")
        let before = try content(path)
        #expect(refusal() == "cannot open store \(path): it is a database of another program")
        #expect(try content(path) == before)
    }

    @Test func aNewerFormatIsRefusedAndLeftAlone() async throws {
        let store = try open()
        try await create(store, "k/a")
        store.close()
        try sql(path, "PRAGMA user_version = \(StoreSchema.migrations.count + 1)")
        let before = try content(path)
        let text = try #require(refusal())
        #expect(text.hasPrefix("cannot open store \(path): it has format \(StoreSchema.migrations.count + 1)"))
        #expect(text.contains("use the newer swiftlet"))
        #expect(try content(path) == before)
    }

    @Test func anOlderFormatIsMigratedAfterABackup() async throws {
        let store = try open()
        try await create(store, "k/a", "one")
        store.close()
        let steps = StoreSchema.migrations + ["CREATE TABLE extra (x INTEGER)"]
        let migrated = try SQLiteStore.open(path: path, migrations: steps, log: quiet)
        #expect(try migrated.get("k/a")?.value == Array("one".utf8))
        migrated.close()
        let backup = try SQLiteStore.open(path: "\(path).v1.backup", log: quiet)
        #expect(try backup.get("k/a")?.value == Array("one".utf8))
        backup.close()
    }

    @Test func aFailingMigrationChangesNothing() async throws {
        let store = try open()
        try await create(store, "k/a", "one")
        store.close()
        let steps = StoreSchema.migrations + ["CREATE TABLE extra (x INTEGER); INSERT INTO nowhere VALUES (1)"]
        #expect(refusal(migrations: steps)?.contains("no such table: nowhere") == true)
        let again = try open()
        defer { again.close() }
        #expect(try again.get("k/a")?.value == Array("one".utf8))
    }

    /// What a full disk does, here by a trigger that refuses a row.
    @Test func aFailedTransactionStoresNothingAndSaysSo() async throws {
        let refusing =
            "CREATE TRIGGER refuse BEFORE INSERT ON log WHEN NEW.key = 'k/bad' BEGIN SELECT RAISE(ABORT, 'no room'); END"
        let store = try SQLiteStore.open(path: path, migrations: StoreSchema.migrations + [refusing], log: quiet)
        defer { store.close() }
        try await create(store, "k/a")
        let revision = store.revision
        let seen = Counter()
        store.addSink { update in
            if case .changes(let events, _) = update { seen.add(events.count) }
        }
        let text = "cannot write store \(path): no room"
        await #expect(throws: StoreError.failed(text)) { try await create(store, "k/bad") }
        #expect(store.failure == text)
        #expect(store.revision == revision && seen.value == 0)
        #expect(try store.get("k/bad") == nil)
        // The next one works, and the illness is over.
        try await create(store, "k/b")
        #expect(store.failure == nil && store.revision == revision + 1)
    }

    @Test func aBackupIsWholeAndNeverOverwrites() async throws {
        let store = try open()
        defer { store.close() }
        for index in 0..<20 { try await create(store, "k/\(index)") }
        let target = "\(folder.path)/copy.db"
        try store.backup(to: target)
        #expect(throws: StoreError.failed("cannot write backup \(target): File exists")) {
            try store.backup(to: target)
        }
        let copy = try SQLiteStore.open(path: target, log: quiet)
        defer { copy.close() }
        #expect(copy.revision == store.revision)
        #expect(try copy.list(prefix: "k/").records == store.list(prefix: "k/").records)
    }

    @Test func aFolderThatIsNotThereIsNamed() throws {
        let missing = "\(folder.path)/none/store.db"
        #expect(
            throws: StoreError.unusable("cannot open store lock \(missing).lock: No such file or directory")
        ) { try SQLiteStore.open(path: missing, log: quiet) }
    }
}
