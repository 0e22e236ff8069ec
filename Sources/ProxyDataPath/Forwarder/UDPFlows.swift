/// Who talks over UDP: a client at a listener, with a socket of its own to one backend.
struct UDPFlow: BitwiseCopyable {
    let socket: Int32
    let listener: Int32
    let pool: Int32
    let client: SocketAddress
    let backend: SocketAddress
    var lastMs: UInt32
    /// In the order of last use.
    var earlier: Int32 = -1
    var later: Int32 = -1
    /// The next one in the same bucket.
    var chained: Int32 = -1
}

/// Flows by client and listener, and in the order of their last use: a slab, and a table of chains over it whose size
/// follows from the bound, so that nothing is allocated for a datagram or a flow.
struct UDPFlows: ~Copyable {
    var slab: Slab<UDPFlow>
    private let buckets: UnsafeMutablePointer<Int32>
    private let mask: Int
    private let seed: UInt64
    private var first: Int32 = -1
    private var newest: Int32 = -1

    init(capacity: Int, seed: UInt64 = .random(in: 0...(.max))) {
        slab = Slab(capacity: capacity)
        var size = 16
        while size < capacity { size *= 2 }
        mask = size - 1
        self.seed = seed
        buckets = .allocate(capacity: size)
        buckets.initialize(repeating: -1, count: size)
    }

    deinit { buckets.deallocate() }

    var count: Int { slab.count }
    var isFull: Bool { slab.count == slab.capacity }
    /// The one that waits longest.
    var oldestIndex: Int? { first >= 0 ? Int(first) : nil }

    func find(_ client: SocketAddress, listener: Int32) -> Int? {
        var index = buckets[bucket(client, listener)]
        while index >= 0 {
            let flow = slab[Int(index)]
            if flow.listener == listener, flow.client == client { return Int(index) }
            index = flow.chained
        }
        return nil
    }

    /// Nil where the bound is reached.
    mutating func insert(_ flow: UDPFlow) -> Int? {
        guard let index = slab.insert(flow) else { return nil }
        let bucket = bucket(flow.client, flow.listener)
        slab[index].chained = buckets[bucket]
        buckets[bucket] = Int32(index)
        append(index)
        return index
    }

    /// Takes it out; the caller closes its socket.
    mutating func remove(_ index: Int) {
        let bucket = bucket(slab[index].client, slab[index].listener)
        if buckets[bucket] == Int32(index) {
            buckets[bucket] = slab[index].chained
        } else {
            var before = buckets[bucket]
            while before >= 0, slab[Int(before)].chained != Int32(index) { before = slab[Int(before)].chained }
            if before >= 0 { slab[Int(before)].chained = slab[index].chained }
        }
        unlink(index)
        slab.remove(index)
    }

    mutating func touch(_ index: Int, nowMs: UInt32) {
        slab[index].lastMs = nowMs
        guard newest != Int32(index) else { return }
        unlink(index)
        append(index)
    }

    /// The flows for which that holds, by number.
    func indices(where matches: (UDPFlow) -> Bool) -> [Int] {
        (0..<slab.highest).filter { slab.isUsed($0) && matches(slab[$0]) }
    }

    private func bucket(_ client: SocketAddress, _ listener: Int32) -> Int {
        Int(truncatingIfNeeded: client.mixed(with: seed &+ UInt64(UInt32(bitPattern: listener)))) & mask
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
