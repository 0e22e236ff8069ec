/// The statements of the writing connection, prepared once. Used by the store's thread alone.
final class SQLiteWriter {
    private let connection: SQLiteConnection
    private let select: SQLiteStatement
    private let insertLog: SQLiteStatement
    private let upsertKey: SQLiteStatement
    private let deleteKey: SQLiteStatement
    private let beginStatement: SQLiteStatement
    private let commitStatement: SQLiteStatement

    init(_ connection: SQLiteConnection) throws(SQLiteError) {
        self.connection = connection
        select = try connection.prepare("SELECT rev, create_rev FROM kv WHERE key = ?1")
        insertLog = try connection.prepare(
            "INSERT INTO log (rev, key, create_rev, prev_rev, value) VALUES (?1, ?2, ?3, ?4, ?5)")
        upsertKey = try connection.prepare(
            "INSERT INTO kv (key, rev, create_rev) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET rev = ?2")
        deleteKey = try connection.prepare("DELETE FROM kv WHERE key = ?1")
        beginStatement = try connection.prepare("BEGIN IMMEDIATE")
        commitStatement = try connection.prepare("COMMIT")
    }

    func begin() throws(SQLiteError) { try beginStatement.run() }
    func commit() throws(SQLiteError) { try commitStatement.run() }
    func rollback() throws(SQLiteError) { try connection.execute("ROLLBACK") }

    /// Rolls back after an error, where SQLite has not done so itself.
    func abandon() {
        if connection.isInTransaction {
            try? rollback()  // the first error is the one that is reported
        }
    }

    /// Does one write inside the open transaction. A guard that does not hold is a result, not an error: the other
    /// writes of the batch go on.
    func apply(_ write: StoreWrite, as revision: Int64) throws(SQLiteError) -> Result<StoreEvent, StoreError> {
        select.bind(1, write.key)
        let exists = try select.step()
        let found = exists ? select.int(0) : 0
        let created = exists ? select.int(1) : revision
        select.reset()
        switch write.expected {
        case .absent where exists: return .failure(.exists(revision: found))
        case .revision where !exists: return .failure(.notFound)
        case .revision(let expected) where expected != found: return .failure(.conflict(revision: found))
        default: break
        }
        insertLog.bind(1, revision)
        insertLog.bind(2, write.key)
        insertLog.bind(3, created)
        insertLog.bind(4, found)
        if let value = write.value {
            try insertLog.withBound(5, value) { () throws(SQLiteError) in try insertLog.run() }
            upsertKey.bind(1, write.key)
            upsertKey.bind(2, revision)
            upsertKey.bind(3, created)
            try upsertKey.run()
        } else {
            insertLog.bindNull(5)
            try insertLog.run()
            deleteKey.bind(1, write.key)
            try deleteKey.run()
        }
        return .success(
            StoreEvent(
                key: write.key, revision: revision, createRevision: created, value: write.value,
                previousRevision: found, previousValue: nil, facts: write.facts))
    }

    /// Removes what was superseded by revisions in `(from, through]`, and tombstones among those. A value that
    /// something newer replaced stays: replay needs it as the previous state.
    func compact(from: Int64, through: Int64, slice: Int) throws(SQLiteError) {
        let superseded = try connection.prepare(
            "DELETE FROM log WHERE rev IN (SELECT prev_rev FROM log WHERE rev > ?1 AND rev <= ?2 AND prev_rev > 0)")
        let tombstones = try connection.prepare("DELETE FROM log WHERE rev > ?1 AND rev <= ?2 AND value IS NULL")
        let mark = try connection.prepare("UPDATE meta SET value = ?1 WHERE name = 'compacted'")
        var position = from
        while position < through {
            let end = min(position + Int64(slice), through)
            try begin()
            for statement in [superseded, tombstones] {
                statement.bind(1, position)
                statement.bind(2, end)
                try statement.run()
            }
            // Slice by slice: a row whose successor is gone would never be found again.
            mark.bind(1, end)
            try mark.run()
            try commit()
            position = end
        }
    }
}
