import Kernel

/// The seam to the kernel's nf_tables: a connection, or a fake that enforces the same rules.
protocol NftKernel: Sendable {
    /// Makes all changes of the transaction, or none.
    func apply(_ transaction: NftTransaction) throws(KernelError)
    /// All that is in the table; nil where there is none.
    func dump(table: String) throws(KernelError) -> AppliedState?
}

/// What a table holds, as read back at start and after a failure.
struct AppliedState: Sendable {
    struct Chain: Sendable, Equatable {
        /// Whether it is a base chain, and as what. A hook that we never use comes as nil.
        var hook: NftChain.Hook?
        var isBase: Bool
        /// In libnftnl's words, as `NftRule.canonicalText`.
        var rules: [[String]]
    }
    var chains: [String: Chain] = [:]
    /// Sets that are as we declare them, whatever their size.
    var sets: [NftSet] = []
    /// All others in our table.
    var foreignSets: [String] = []
    /// Sets that a rule refers to.
    var usedSets: Set<String> = []
    /// By kind: the elements of the set that is in use.
    var elements: [[NftWords: NftWords]] = Array(repeating: [:], count: NftSet.Kind.allCases.count)
    /// The chains to which the elements of `picks` lead, by key.
    var picks: [UInt32: String] = [:]

    /// The set of a kind that is in use; nil where there is none.
    func set(_ kind: NftSet.Kind) -> NftSet? {
        let candidates = sets.filter { $0.kind == kind }
        // Two, where growing was interrupted: the rules say which one counts.
        return candidates.first { usedSets.contains($0.name) } ?? candidates.min { $0.size < $1.size }
    }
}
