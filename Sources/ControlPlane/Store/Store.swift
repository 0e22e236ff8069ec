/// What survives a restart: keys with values, every change under a revision of its own.
///
/// Revisions are global and increase; nothing promises that they are dense. A write is answered only after every sink
/// has seen it, so that whoever was told of a write reads it back. Keys look like `pods/default/web-1`. The interface
/// is what an API server needs and no more: no leases, no transactions over several keys.
///
/// Others may write to a store that is shared (`isShared`). Until it is started or written to, it stands still at the
/// revision at which it was opened: what is listed then and what sinks are told from then on fit together.
public protocol Store: AnyObject, Sendable {
    /// The revision of the newest committed write.
    var revision: Int64 { get }

    /// The revision up to which history is gone: `events(after:)` answers from there on.
    var compactedRevision: Int64 { get }

    /// The current value of a key, or nil.
    func get(_ key: String) async throws(StoreError) -> StoreRecord?

    /// All current values whose keys begin with `prefix`, in order of keys, as of one revision.
    func list(prefix: String) async throws(StoreError) -> (revision: Int64, records: [StoreRecord])

    /// Changes after `revision`, oldest first, at most `limit` of them. Throws `compacted` when some are gone.
    func events(after revision: Int64, limit: Int) async throws(StoreError) -> [StoreEvent]

    /// Queues a write. `completion` runs on the store's thread, after the write is durable and the sinks have seen it;
    /// it must not block.
    func submit(_ write: StoreWrite, completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void)

    /// Adds a receiver of everything committed from now on, in order of revision, in batches. Runs on the store's
    /// thread.
    func addSink(_ sink: @escaping @Sendable (StoreUpdate) -> Void)

    /// Begins to tell the sinks what others write.
    func start()

    /// Whether others write here too, so that the sinks may not have seen yet what somebody was told.
    var isShared: Bool { get }

    /// Calls `completion` once every sink has seen all that was committed before this call; at once where nobody else
    /// writes. It must not block.
    func catchUp(_ completion: @escaping @Sendable (StoreError?) -> Void)

    /// Says for a while that this server is there, under a service's name. Returns the addresses of all that are.
    func announce(_ address: String, as name: String) async throws(StoreError) -> [String]

    /// Why the store can't do its work at present; nil when all is well. For the health check.
    var failure: String? { get }

    /// Writes that wait, for metrics.
    var backlog: Int { get }

    /// Between two compactions.
    var compactionInterval: Duration { get }

    /// Forgets superseded values up to and with `revision`. What is current stays.
    func compact(through revision: Int64) async throws(StoreError)

    /// Writes a consistent copy to a file that must not exist yet (mode 0600), while work goes on.
    func backup(to path: String) throws(StoreError)

    /// Finishes what is queued and closes. Later writes are answered with `closed`.
    func close() async
}

/// What a store tells its sinks.
public enum StoreUpdate: Sendable {
    /// Changes in order of revision. Everything up to `through` has been told then.
    case changes([StoreEvent], through: Int64)
    /// Changes are missing, because they were compacted before they could be told. This is all there is.
    case reset([StoreRecord], revision: Int64)
}

/// A key's value at a revision.
public struct StoreRecord: Sendable, Equatable {
    public let key: String
    public let revision: Int64
    public let createRevision: Int64
    public let value: [UInt8]

    public init(key: String, revision: Int64, createRevision: Int64, value: [UInt8]) {
        self.key = key
        self.revision = revision
        self.createRevision = createRevision
        self.value = value
    }
}

/// One write, guarded by the revision that its author has seen.
public struct StoreWrite: Sendable {
    public enum Guard: Sendable, Equatable {
        /// The key must not exist.
        case absent
        /// The key must stand at this revision.
        case revision(Int64)
    }

    public let key: String
    /// Nil deletes.
    public let value: [UInt8]?
    public let expected: Guard
    /// What the cache would otherwise have to parse out of `value`.
    let facts: ObjectFacts?

    init(key: String, value: [UInt8]?, expected: Guard, facts: ObjectFacts?) {
        self.key = key
        self.value = value
        self.expected = expected
        self.facts = facts
    }

    public static func create(_ key: String, _ value: [UInt8]) -> StoreWrite {
        StoreWrite(key: key, value: value, expected: .absent, facts: nil)
    }
    public static func update(_ key: String, _ value: [UInt8], at revision: Int64) -> StoreWrite {
        StoreWrite(key: key, value: value, expected: .revision(revision), facts: nil)
    }
    public static func delete(_ key: String, at revision: Int64) -> StoreWrite {
        StoreWrite(key: key, value: nil, expected: .revision(revision), facts: nil)
    }
}

/// One committed change.
public struct StoreEvent: Sendable {
    public let key: String
    public let revision: Int64
    public let createRevision: Int64
    /// Nil for a deletion.
    public let value: [UInt8]?
    /// Revision of the value that this one replaced; 0 for a creation. A shared store tells its sinks no more than
    /// whether there was one.
    public let previousRevision: Int64
    /// The replaced value; only filled by `events(after:)`, and only while history has it.
    public let previousValue: [UInt8]?
    let facts: ObjectFacts?
    /// Whether another server has written it.
    var isForeign = false

    public var isDelete: Bool { value == nil }
}

/// Why the store did not do something.
public enum StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A create found the key, at this revision.
    case exists(revision: Int64)
    /// An update or delete found no such key.
    case notFound
    /// An update or delete found the key at another revision.
    case conflict(revision: Int64)
    /// History before this revision is gone.
    case compacted(through: Int64)
    /// The file could not be opened or used; the text says why and what to do.
    case unusable(String)
    /// Reading or writing failed (disk full, I/O error); nothing of the write is stored.
    case failed(String)
    /// The value is larger than the store takes.
    case tooLarge(String)
    /// The store can't be reached; nothing of the write is stored.
    case unavailable(String)
    /// There was no answer in time; whether the write is stored is not known.
    case timedOut(String)
    case closed

    public var description: String {
        switch self {
        case .exists(let revision): "key exists at revision \(revision)"
        case .notFound: "key not found"
        case .conflict(let revision): "key is at revision \(revision)"
        case .compacted(let revision): "history up to revision \(revision) has been compacted"
        case .unusable(let text), .failed(let text), .tooLarge(let text), .unavailable(let text), .timedOut(let text):
            text
        case .closed: "the store is closed"
        }
    }
}
