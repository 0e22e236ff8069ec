import Glibc

/// Who talks over UDP: a client at a listener, with a socket of its own to one backend.
struct UDPSession: BitwiseCopyable {
    let socket: Int32
    let listener: Int32
    let service: Int32
    let client: SocketAddress
    let backend: SocketAddress
    var last: UInt64
    /// In the order of last use.
    var earlier: Int32 = -1
    var later: Int32 = -1
}

/// Sessions by client, and in the order of their last use.
struct UDPSessions: ~Copyable {
    private struct Key: Hashable {
        let client: SocketAddress
        let listener: Int32
    }
    var slab = Slab<UDPSession>()
    private var byClient: [Key: Int] = [:]
    private var first: Int32 = -1
    private var newest: Int32 = -1

    var count: Int { slab.count }
    /// When the one that waits longest was used.
    var oldest: UInt64? { first >= 0 ? slab[Int(first)].last : nil }
    /// The one that waits longest.
    var oldestIndex: Int? { first >= 0 ? Int(first) : nil }

    func find(_ client: SocketAddress, listener: Int) -> Int? {
        byClient[Key(client: client, listener: Int32(listener))]
    }

    mutating func insert(_ session: UDPSession) -> Int {
        let index = slab.insert(session)
        byClient[Key(client: session.client, listener: session.listener)] = index
        append(index)
        return index
    }

    /// Takes it out; the caller closes its socket.
    mutating func remove(_ index: Int) {
        let session = slab[index]
        byClient[Key(client: session.client, listener: session.listener)] = nil
        unlink(index)
        slab.remove(index)
    }

    mutating func touch(_ index: Int, at now: UInt64) {
        slab[index].last = now
        guard newest != Int32(index) else { return }
        unlink(index)
        append(index)
    }

    /// The sessions for which that holds.
    func indices(where matches: (UDPSession) -> Bool) -> [Int] {
        byClient.values.filter { matches(slab[$0]) }
    }

    mutating func removeAll(_ close: (Int32) -> Void) {
        while let index = oldestIndex {
            close(slab[index].socket)
            remove(index)
        }
    }

    private mutating func append(_ index: Int) {
        slab[index].earlier = newest
        slab[index].later = -1
        if newest >= 0 { slab[Int(newest)].later = Int32(index) } else { first = Int32(index) }
        newest = Int32(index)
    }

    private mutating func unlink(_ index: Int) {
        let (earlier, later) = (slab[index].earlier, slab[index].later)
        if earlier >= 0 { slab[Int(earlier)].later = later } else { first = later }
        if later >= 0 { slab[Int(later)].earlier = earlier } else { newest = earlier }
    }
}
