import KubeAPI

/// Changes to our table that become true at once, or not at all.
///
/// Operations only collect here: they can be printed as nft writes them, encoded for the kernel, or applied to a fake.
struct NftTransaction: Sendable {
    enum Operation: Sendable {
        case addTable
        /// With all that is in it.
        case deleteTable
        case addSet(NftSet)
        case deleteSet(String)
        case addChain(String, NftChain.Hook?)
        /// Removes all rules of a chain.
        case flushChain(String)
        case deleteChain(String)
        case addRule(chain: String, NftRule)
        case addElements(NftSet, [NftElement])
        case deleteElements(NftSet, [NftElement])
    }

    let table: String
    let family: IPAddress.Family
    private(set) var operations: [Operation] = []
    /// The chains to which the elements of `picks` lead, by key.
    private(set) var pickChains: [UInt32: String] = [:]

    init(table: String, family: IPAddress.Family = .ipv4) {
        self.table = table
        self.family = family
    }

    /// Of a ruleset's table.
    init(_ ruleset: Ruleset) { self.init(table: ruleset.table, family: ruleset.family) }

    var isEmpty: Bool { operations.isEmpty }
    /// Elements that are added or deleted.
    private(set) var elementCount = 0

    mutating func add(_ operation: Operation) {
        switch operation {
        case .addElements(_, let elements), .deleteElements(_, let elements):
            guard !elements.isEmpty else { return }
            elementCount += elements.count
        default: break
        }
        operations.append(operation)
    }

    /// A chain with its rules.
    mutating func add(_ chain: NftChain) {
        add(.addChain(chain.name, chain.hook))
        for rule in chain.rules { add(.addRule(chain: chain.name, rule)) }
    }

    /// Puts these rules in the place of what a chain has.
    mutating func replaceRules(_ chain: NftChain) {
        add(.flushChain(chain.name))
        for rule in chain.rules { add(.addRule(chain: chain.name, rule)) }
    }

    mutating func remove(chain name: String) {
        // The kernel deletes no chain that has rules.
        add(.flushChain(name))
        add(.deleteChain(name))
    }

    /// An element of `picks`, and the chain to which it leads.
    mutating func addPick(_ set: NftSet, key: UInt32, chain: String) {
        pickChains[key] = chain
        add(.addElements(set, [NftElement(NftWords(key))]))
    }

    mutating func deletePick(_ set: NftSet, key: UInt32, chain: String) {
        pickChains[key] = chain
        add(.deleteElements(set, [NftElement(NftWords(key))]))
    }

    /// Takes over an operation of another transaction.
    mutating func add(_ operation: Operation, pickChains: [UInt32: String]) {
        self.pickChains.merge(pickChains) { $1 }
        add(operation)
    }

    func chain(ofPick key: UInt32) -> String { pickChains[key] ?? "" }
}

extension NftTransaction {
    /// As `nft -f` reads it.
    var text: String { operations.map { text($0) + "\n" }.joined() }

    func text(_ operation: Operation) -> String {
        let name = "\(family.nftText) \(table)"
        switch operation {
        case .addTable: return "add table \(name)"
        case .deleteTable: return "delete table \(name)"
        case .addSet(let set):
            return "add \(set.data == .none ? "set" : "map") \(name) \(set.name) { \(set.declaration) }"
        case .deleteSet(let set): return "delete set \(name) \(set)"
        case .addChain(let chain, let hook):
            return "add chain \(name) \(chain)" + (hook.map { " { \($0.declaration) }" } ?? "")
        case .flushChain(let chain): return "flush chain \(name) \(chain)"
        case .deleteChain(let chain): return "delete chain \(name) \(chain)"
        case .addRule(let chain, let rule): return "add rule \(name) \(chain) \(rule.text)"
        case .addElements(let set, let elements):
            return "add element \(name) \(set.name) { \(text(elements, of: set)) }"
        case .deleteElements(let set, let elements):
            return "delete element \(name) \(set.name) { \(text(elements, of: set)) }"
        }
    }

    private func text(_ elements: [NftElement], of set: NftSet) -> String {
        elements.map { set.text($0, chain: chain(ofPick:)) }.joined(separator: ", ")
    }

    /// What could not be done, for an error: operation and subject.
    func subject(_ operation: Operation) -> (operation: String, subject: String) {
        switch operation {
        case .addTable: ("add", "table \(table)")
        case .deleteTable: ("delete", "table \(table)")
        case .addSet(let set): ("add", "set \(set.name)")
        case .deleteSet(let set): ("delete", "set \(set)")
        case .addChain(let chain, _): ("add", "chain \(chain)")
        case .flushChain(let chain): ("flush", "chain \(chain)")
        case .deleteChain(let chain): ("delete", "chain \(chain)")
        case .addRule(let chain, let rule): ("add", "rule '\(rule.text)' to chain \(chain)")
        case .addElements(let set, _): ("add", "elements to \(set.name)")
        case .deleteElements(let set, _): ("delete", "elements of \(set.name)")
        }
    }
}
