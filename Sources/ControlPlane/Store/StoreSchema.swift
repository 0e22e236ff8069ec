/// The layout of the store's file, by version (`PRAGMA user_version`).
///
/// `log` holds every revision until compaction, `kv` which of them is current. Few columns and one secondary index on
/// purpose: a schema with kine's seven indices wrote 3 times slower.
enum StoreSchema {
    /// Marks the file as ours ("SWLT").
    static let applicationID: Int64 = 0x5357_4c54

    /// The steps from each version to the next: `migrations[0]` makes version 1 out of an empty file. Released steps
    /// are never changed.
    static let migrations: [String] = [
        """
        CREATE TABLE log (
            rev INTEGER PRIMARY KEY,
            key TEXT NOT NULL,
            create_rev INTEGER NOT NULL,
            prev_rev INTEGER NOT NULL,
            value BLOB
        );
        CREATE TABLE kv (key TEXT PRIMARY KEY, rev INTEGER NOT NULL, create_rev INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO meta VALUES ('compacted', 1);
        PRAGMA application_id = \(applicationID);
        """
    ]
}
