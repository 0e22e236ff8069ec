import Glibc
import KubeAPI
import Logging
import Transport

/// Moves a cluster's data from a file to etcd or back, while no server works on it.
///
/// Objects keep everything but their resource versions, which are the new store's and begin above all that the old one
/// has given out: clients never see them go back. The old place is kept, and marked so that no server starts on it by
/// mistake. A move that was interrupted begins anew.
public enum StoreMigration {
    public struct Outcome: Sendable {
        public let objects: Int
        /// From here on resource versions go on.
        public let revision: Int64
    }

    /// What a file is called after its content has moved on.
    static func moved(_ path: String) -> String { path + ".migrated" }

    /// Writes on their way at a time.
    private static let parallel = 64
    /// etcd's revision grows by one a write: some 10,000 to 20,000 a second.
    private static let largestLift: Int64 = 5_000_000
    /// After so many, what they left behind is given up.
    private static let liftSlice: Int64 = 100_000

    // MARK: - To etcd

    /// - Parameter cluster: as servers tell it to etcd.
    public static func toEtcd(
        file path: String, _ config: EtcdConfig, cluster: String, log: Logger
    ) async throws(StoreError) -> Outcome {
        guard exists(path) else { throw .unusable("cannot migrate: there is no store at \(path)") }
        let source = try SQLiteStore.open(path: path, log: log)
        let outcome: Outcome
        do throws(StoreError) {
            outcome = try await copy(source, to: config, cluster, log)
        } catch {
            source.close()
            throw error
        }
        source.close()
        guard rename(path, moved(path)) == 0 else {
            throw .failed(
                "the data is in etcd, but \(path) cannot be renamed (\(String(cString: strerror(errno)))): move it away"
            )
        }
        return outcome
    }

    private static func copy(
        _ source: SQLiteStore, to config: EtcdConfig, _ cluster: String, _ log: Logger
    ) async throws(StoreError) -> Outcome {
        let (revision, records) = try source.list(prefix: "")
        let target = try await EtcdStore.open(config, cluster: cluster, purpose: .fill, log: log)
        do throws(StoreError) {
            try await lift(target, above: revision, log)
            try await write(records, to: target)
            try await compare(records, with: target)
            try await target.mark(cluster: cluster, .inUse)
        } catch {
            await target.close()
            throw error
        }
        let newest = target.revision
        await target.close()
        return Outcome(objects: records.count, revision: newest)
    }

    /// Raises etcd's revision by writes of no meaning.
    private static func lift(_ store: EtcdStore, above revision: Int64, _ log: Logger) async throws(StoreError) {
        let missing = revision - store.base
        guard missing > 0 else { return }
        guard missing <= largestLift else {
            throw .unusable(
                "cannot migrate: resource versions have reached \(revision), and etcd at \(store.place) is at "
                    + "\(store.base): more than \(largestLift) writes would be needed; restore its empty data with "
                    + "etcdutl snapshot restore --bump-revision first")
        }
        if missing > liftSlice {
            log.notice("raising etcd's revision", metadata: ["from": "\(store.base)", "to": "\(revision)"])
        }
        var done: Int64 = 0
        while done < missing {
            let count = min(liftSlice, missing - done)
            try await store.lift(by: count, parallel: parallel)
            done += count
            if count == liftSlice { try await store.giveUpHistory(through: store.base + done) }
        }
    }

    // MARK: - Back to a file

    public static func toFile(
        _ path: String, from config: EtcdConfig, cluster: String, log: Logger
    ) async throws(StoreError) -> Outcome {
        guard !exists(path) else {
            throw .unusable("cannot migrate: there is a store at \(path) already: move it away")
        }
        let source = try await EtcdStore.open(config, cluster: cluster, log: log)
        do throws(StoreError) {
            let servers = try await source.present(as: "kubernetes")
            guard servers.isEmpty else {
                throw .unusable(
                    "cannot migrate: servers work on etcd at \(config.place) (\(servers.joined(separator: ", "))): end "
                        + "them, and wait 15 s after a kill")
            }
            let (revision, records) = try await source.list(prefix: "")
            let partial = path + ".migrating"
            for name in [partial, partial + "-wal", partial + "-shm"] { unlink(name) }
            try SQLiteFile.create(partial, revision: revision, log: log)
            let target = try SQLiteStore.open(path: partial, log: log)
            do throws(StoreError) {
                try await write(records, to: target)
                try await compare(records, with: target)
            } catch {
                target.close()
                throw error
            }
            let newest = target.revision
            target.close()
            unlink(partial + ".lock")
            guard rename(partial, path) == 0 else {
                throw .failed("cannot rename \(partial): \(String(cString: strerror(errno)))")
            }
            // Until here a server could go on with etcd; with the file in place it refuses to.
            try await source.mark(cluster: cluster, .left)
            await source.close()
            return Outcome(objects: records.count, revision: newest)
        } catch {
            await source.close()
            throw error
        }
    }

    // MARK: - Both ways

    private static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// In the order of their revisions, more or less: what was written first has the smaller one again.
    private static func write(_ records: [StoreRecord], to store: any Store) async throws(StoreError) {
        var rest = records.sorted { $0.revision < $1.revision }[...]
        while !rest.isEmpty {
            let slice = Array(rest.prefix(parallel))
            rest = rest.dropFirst(parallel)
            let failure = await withTaskGroup(of: StoreError?.self) { group in
                for record in slice {
                    group.addTask {
                        let result = await withCheckedContinuation { continuation in
                            store.submit(.create(record.key, record.value)) { continuation.resume(returning: $0) }
                        }
                        if case .failure(let error) = result { return error }
                        return nil
                    }
                }
                return await group.reduce(into: StoreError?.none) { $0 = $0 ?? $1 }
            }
            if let failure { throw failure }
        }
    }

    private static func compare(_ records: [StoreRecord], with store: any Store) async throws(StoreError) {
        let copied = try await store.list(prefix: "").records
        let values = Dictionary(copied.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        for record in records where values[record.key] != record.value {
            throw .failed("cannot migrate: \(record.key) is not there as it was")
        }
    }
}
