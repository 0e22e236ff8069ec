/// Names with what is known of them, found by the bytes of a question without making anything on the way.
struct ZoneTable: Sendable {
    struct Node: Sendable {
        let name: DNSName
        fileprivate let hash: Int
        /// In the order in which sources told of them.
        var records: [(source: Int, record: ZoneRecord)] = []
        /// Names directly below.
        var children = 0
        var answers: [PreparedAnswer] = []

        fileprivate init(name: DNSName, hash: Int) {
            self.name = name
            self.hash = hash
        }
    }

    private static let empty: Int32 = -1
    private static let removed: Int32 = -2

    /// Indices of nodes by hash, probed linearly; at most two thirds are in use.
    private var slots = [Int32](repeating: ZoneTable.empty, count: 64)
    private var used = 0
    private var nodes: [Node?] = []
    private var free: [Int] = []

    var count: Int { nodes.count - free.count }

    private static func hash(_ name: UnsafeRawBufferPointer) -> Int {
        // Seeded anew in each process: nobody outside can choose names that collide.
        var hasher = Hasher()
        hasher.combine(bytes: name)
        return hasher.finalize()
    }

    /// The node of a name in lower case.
    func find(_ name: UnsafeRawBufferPointer) -> Int? { slot(of: name, Self.hash(name)).map { Int(slots[$0]) } }

    func find(_ name: DNSName) -> Int? { name.wire.withUnsafeBytes { find($0) } }

    private func slot(of name: UnsafeRawBufferPointer, _ hash: Int) -> Int? {
        var slot = hash & (slots.count - 1)
        while slots[slot] != Self.empty {
            if slots[slot] >= 0, let node = nodes[Int(slots[slot])], node.hash == hash,
                node.name.wire.withUnsafeBytes({ $0.elementsEqual(name) })
            {
                return slot
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// There is (still) a name of that index.
    func has(_ index: Int) -> Bool { nodes[index] != nil }

    subscript(index: Int) -> Node {
        get {
            guard let node = nodes[index] else { preconditionFailure("no name has the index \(index)") }
            return node
        }
        _modify {
            guard var node = nodes[index] else { preconditionFailure("no name has the index \(index)") }
            nodes[index] = nil
            defer { nodes[index] = node }
            yield &node
        }
    }

    /// What is known of a type at a node.
    func answer(_ index: Int, _ type: UInt16) -> PreparedAnswer? {
        nodes[index]?.answers.first { $0.type == type }
    }

    /// The name's node, made where there is none.
    mutating func insert(_ name: DNSName) -> Int {
        if let index = find(name) { return index }
        if (used + 1) * 3 > slots.count * 2 { rehash() }
        let hash = name.wire.withUnsafeBytes { Self.hash($0) }
        let node = Node(name: name, hash: hash)
        let index: Int
        if let last = free.popLast() {
            index = last
            nodes[index] = node
        } else {
            index = nodes.count
            nodes.append(node)
        }
        place(index, hash)
        return index
    }

    mutating func remove(_ index: Int) {
        guard let node = nodes[index], let slot = node.name.wire.withUnsafeBytes({ slot(of: $0, node.hash) }) else {
            return
        }
        slots[slot] = Self.removed
        nodes[index] = nil
        free.append(index)
    }

    private mutating func place(_ index: Int, _ hash: Int) {
        var slot = hash & (slots.count - 1)
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
        if slots[slot] == Self.empty { used += 1 }
        slots[slot] = Int32(index)
    }

    /// Makes room, and forgets the marks of removed names.
    private mutating func rehash() {
        var size = 64
        while size < count * 3 { size *= 2 }
        slots = [Int32](repeating: Self.empty, count: size)
        used = 0
        for (index, node) in nodes.enumerated() {
            if let node { place(index, node.hash) }
        }
    }
}
