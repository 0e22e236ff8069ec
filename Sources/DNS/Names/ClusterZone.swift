import KubeAPI

/// The names of a cluster, from what sources (services, namespaces, the zone itself) say of them. A name exists as long
/// as somebody says something of it, or of one below it.
struct ClusterZone: Sendable {
    /// Seconds that a client may keep an answer.
    static let ttl: UInt32 = 5

    /// `cluster.local`.
    let domain: DNSName
    private(set) var table = ZoneTable()
    private var sources: [String: (id: Int, nodes: [Int])] = [:]
    private var nextSource = 0

    init(domain: DNSName) { self.domain = domain }

    /// Replaces what a source says.
    mutating func set(_ source: String, _ records: [(DNSName, ZoneRecord)]) {
        nextSource += 1
        let id = nextSource
        var nodes: Set<Int> = []
        for (name, record) in records {
            let node = hold(name)
            table[node].records.append((id, record))
            nodes.insert(node)
        }
        let old = sources.removeValue(forKey: source)
        if !nodes.isEmpty { sources[source] = (id, Array(nodes)) }
        // New before old goes: a name that both have never misses.
        if let old {
            for node in old.nodes {
                table[node].records.removeAll { $0.source == old.id }
                nodes.insert(node)
            }
        }
        // One may go with another, below it, that went before.
        for node in nodes where table.has(node) { settle(node) }
    }

    mutating func remove(_ source: String) { set(source, []) }

    /// The name's node; with new ones, down from the first ancestor that there is.
    private mutating func hold(_ name: DNSName) -> Int {
        if let node = table.find(name) { return node }
        let node = table.insert(name)
        // Above the zones nothing is ours.
        if name != domain, let parent = name.parent, parent != .root { table[hold(parent)].children += 1 }
        return node
    }

    /// Makes the answers of a node anew, or removes it where nobody needs it.
    private mutating func settle(_ node: Int) {
        let name = table[node].name
        guard table[node].records.isEmpty else {
            var byType: [UInt16: [ZoneRecord]] = [:]
            for (_, record) in table[node].records where record.type != 0 {
                // Two may say the same: a service and its copy.
                if byType[record.type]?.contains(where: { $0.content == record.content }) == true { continue }
                byType[record.type, default: []].append(record)
            }
            table[node].answers = byType.map { PreparedAnswer(type: $0.key, $0.value, ttl: Self.ttl) }
            return
        }
        table[node].answers = []
        guard table[node].children == 0 else { return }
        table.remove(node)
        guard name != domain, let parent = name.parent, let above = table.find(parent) else { return }
        table[above].children -= 1
        if table[above].children == 0 { settle(above) }
    }
}
