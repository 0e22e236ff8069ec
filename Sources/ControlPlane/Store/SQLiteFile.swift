import Glibc
import Logging

/// Opening the store's file: who may, and whether it is what we think it is.
enum SQLiteFile {
    /// Takes the lock beside the file (`<path>.lock`): two servers on one file would each trust their own cache.
    static func lock(_ path: String) throws(StoreError) -> Int32 {
        let lockPath = path + ".lock"
        let descriptor = Glibc.open(lockPath, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor < 0 {
            throw .unusable("cannot open store lock \(lockPath): \(String(cString: strerror(errno)))")
        }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            Glibc.close(descriptor)
            throw .unusable(
                code == EWOULDBLOCK
                    ? "cannot open store \(path): another swiftlet process has it open"
                    : "cannot lock store \(path): \(String(cString: strerror(code)))")
        }
        return descriptor
    }

    static func open(_ path: String, migrations: [String], log: Logger) throws(StoreError) -> SQLiteConnection {
        // Created here for its mode: SQLite would follow the umask, and the file holds Secrets.
        let descriptor = Glibc.open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor < 0 {
            throw .unusable("cannot open store \(path): \(String(cString: strerror(errno)))")
        }
        Glibc.close(descriptor)
        do throws(SQLiteError) {
            let version = try inspect(path, newest: migrations.count)
            let connection = try SQLiteConnection(path: path, .create)
            try connection.execute(
                """
                PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
                PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -2000;
                """)
            if version < migrations.count {
                try migrate(connection, path, from: version, migrations, log)
            }
            return connection
        } catch {
            throw unusable(path, error)
        }
    }

    /// Makes an empty file whose revisions go on after `revision`.
    static func create(_ path: String, revision: Int64, log: Logger) throws(StoreError) {
        let connection = try open(path, migrations: StoreSchema.migrations, log: log)
        do throws(SQLiteError) {
            try connection.execute("UPDATE meta SET value = \(revision) WHERE name = 'compacted'")
        } catch {
            throw unusable(path, error)
        }
    }

    /// The format of the file's content, 0 for an empty file. Through a connection that can't write, so that what is not
    /// ours to use stays as it is.
    private static func inspect(_ path: String, newest: Int) throws(SQLiteError) -> Int {
        var status = stat()
        if stat(path, &status) == 0, status.st_size == 0 { return 0 }
        let connection = try SQLiteConnection(path: path, .read)
        let version = Int(try connection.integer("PRAGMA user_version"))
        let owner = try connection.integer("PRAGMA application_id")
        let tables = try connection.integer("SELECT COUNT(*) FROM sqlite_schema")
        if tables > 0 && (owner != StoreSchema.applicationID || version == 0) {
            throw SQLiteError(code: 0, message: "it is a database of another program")
        }
        if version > newest {
            throw SQLiteError(
                code: 0,
                message: "it has format \(version), and this version of swiftlet knows formats up to "
                    + "\(newest): use the newer swiftlet, or restore a backup made by this one")
        }
        return version
    }

    /// All steps in one transaction, after a copy of a file that has something in it.
    private static func migrate(
        _ connection: SQLiteConnection, _ path: String, from version: Int, _ migrations: [String], _ log: Logger
    ) throws(SQLiteError) {
        if version > 0 {
            let backup = "\(path).v\(version).backup"
            let descriptor = Glibc.open(backup, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
            if descriptor >= 0 {
                Glibc.close(descriptor)
                let copy = try connection.prepare("VACUUM INTO ?1")
                copy.bind(1, backup)
                try copy.run()
            } else if errno != EEXIST {
                throw SQLiteError(
                    code: 0,
                    message: "cannot write backup \(backup) before migrating: \(String(cString: strerror(errno)))")
            }
            log.notice(
                "migrating the store",
                metadata: ["path": "\(path)", "from": "\(version)", "to": "\(migrations.count)", "backup": "\(backup)"])
        }
        do throws(SQLiteError) {
            try connection.execute("BEGIN IMMEDIATE")
            for step in migrations[version...] { try connection.execute(step) }
            try connection.execute("PRAGMA user_version = \(migrations.count); COMMIT")
        } catch {
            if connection.isInTransaction {
                try? connection.execute("ROLLBACK")  // the first error is the one that is reported
            }
            throw error
        }
    }

    /// The error of a file that can't be used, with the way out.
    static func unusable(_ path: String, _ error: SQLiteError) -> StoreError {
        if error.isCorruption {
            return .unusable(
                "cannot open store \(path): the file is damaged (\(error)); it was not changed: restore a backup with "
                    + "`swiftlet restore`, or move \(path), \(path)-wal and \(path)-shm away to start an empty cluster")
        }
        return .unusable("cannot open store \(path): \(error)")
    }
}
