/// Answers of the resolvers behind, for as long as they say.
struct OutsideCache {
    struct Key: Hashable {
        let name: DNSName
        let type: UInt16
        let recordClass: UInt16
        let wantsSignatures: Bool

        init(_ outside: Responder.Outside) {
            name = outside.name
            type = outside.type
            recordClass = outside.recordClass
            wantsSignatures = outside.wantsSignatures
        }
    }

    private struct Entry {
        let answer: OutsideAnswer
        /// Seconds of the monotonic clock.
        let since: Int
    }

    /// A bound on what clients can make us hold.
    private let limit: Int
    private let byteLimit: Int
    private var entries: [Key: Entry] = [:]
    private var bytes = 0

    init(limit: Int = 10_000, byteLimit: Int = 8 << 20) {
        self.limit = limit
        self.byteLimit = byteLimit
    }

    var count: Int { entries.count }

    /// The answer with its age in seconds.
    mutating func find(_ key: Key, now: Int) -> (OutsideAnswer, age: UInt32)? {
        guard let entry = entries[key] else { return nil }
        let age = UInt32(clamping: now - entry.since)
        guard age < entry.answer.lifetime else {
            remove(key)
            return nil
        }
        return (entry.answer, age)
    }

    mutating func insert(_ key: Key, _ answer: OutsideAnswer, now: Int) {
        guard answer.lifetime > 0, answer.bytes.count <= byteLimit / 16 else { return }
        remove(key)
        if entries.count >= limit || bytes + answer.bytes.count > byteLimit { makeRoom(now) }
        entries[key] = Entry(answer: answer, since: now)
        bytes += answer.bytes.count
    }

    mutating func removeAll() {
        entries = [:]
        bytes = 0
    }

    private mutating func remove(_ key: Key) {
        guard let entry = entries.removeValue(forKey: key) else { return }
        bytes -= entry.answer.bytes.count
    }

    /// What is over goes, then whatever comes first: the order of a hash table is as good as chance.
    private mutating func makeRoom(_ now: Int) {
        for (key, entry) in entries where now - entry.since >= Int(entry.answer.lifetime) { remove(key) }
        for key in Array(entries.keys.prefix(max(0, entries.count - limit * 3 / 4))) { remove(key) }
        for key in Array(entries.keys) where bytes > byteLimit * 3 / 4 { remove(key) }
    }
}
