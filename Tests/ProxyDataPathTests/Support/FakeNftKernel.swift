import Glibc
import Kernel
import KubeAPI
import Synchronization

@testable import ProxyDataPath

/// nf_tables in memory, with the kernel's rules of what may refer to what, and stricter than it: adding what is there
/// already is an error, since the planner should know; and so is leading packets of a table at work to a chain of the
/// same transaction, which those under way find empty.
final class FakeNftKernel: NftKernel {
    struct Chain: Equatable {
        var hook: NftChain.Hook?
        var rules: [NftRule] = []
    }
    struct SetState: Equatable {
        var set: NftSet
        var elements: [NftWords: NftWords] = [:]
        var picks: [UInt32: String] = [:]
    }
    struct Table: Equatable {
        var sets: [String: SetState] = [:]
        var chains: [String: Chain] = [:]
        /// Sets that are not ours to understand.
        var strangeSets: Set<String> = []
    }

    private let state = Mutex<Table?>(nil)
    private let failures = Mutex<[Int32]>([])
    private let seen = Mutex<[NftTransaction]>([])
    private let allowance = Mutex<Int?>(nil)
    /// Called with the table after each transaction.
    let check: @Sendable (Table?) -> Void

    init(check: @escaping @Sendable (Table?) -> Void = { _ in }) { self.check = check }

    var table: Table? { state.withLock { $0 } }
    /// Transactions since the last call.
    func takeTransactions() -> [NftTransaction] {
        seen.withLock { seen in
            defer { seen = [] }
            return seen
        }
    }
    /// The next transactions fail with these.
    func failNext(_ codes: Int32...) { failures.withLock { $0 += codes } }
    /// Whoever is killed has made so many transactions more, and no other until `revive`.
    func kill(after count: Int) { allowance.withLock { $0 = count } }
    func revive() { allowance.withLock { $0 = nil } }
    /// What somebody does by hand.
    func spoil(_ body: (inout Table?) -> Void) { state.withLock { body(&$0) } }

    func apply(_ transaction: NftTransaction) throws(KernelError) {
        if let code = failures.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
            throw KernelError("change", "table", code: code)
        }
        let isKilled = allowance.withLock { allowance in
            guard let left = allowance else { return false }
            allowance = max(0, left - 1)
            return left == 0
        }
        if isKilled { throw KernelError("change", "table", code: EINTR) }
        let result: Result<Table?, KernelError> = state.withLock { state in
            var table = state
            // What packets under way may come to; nil where there are none.
            var known = table.flatMap { table in
                table.chains.values.contains { $0.hook != nil } ? Set(table.chains.keys) : nil
            }
            do throws(KernelError) {
                for operation in transaction.operations {
                    do throws(KernelError) {
                        if case .deleteTable = operation { known = nil }
                        if case .addElements(let set, let elements) = operation, set.kind == .picks, let known {
                            let chains = elements.map { transaction.chain(ofPick: $0.key[0]) }
                            guard known.isSuperset(of: chains) else { throw KernelError("", "", code: EAGAIN) }
                        }
                        try Self.apply(operation, transaction, &table)
                    } catch {
                        throw KernelError("apply", transaction.text(operation), code: error.code)
                    }
                }
                state = table
                return .success(table)
            } catch {
                return .failure(error)
            }
        }
        let table = try result.get()
        seen.withLock { $0.append(transaction) }
        check(table)
    }

    private static func apply(
        _ operation: NftTransaction.Operation, _ transaction: NftTransaction, _ state: inout Table?
    ) throws(KernelError) {
        func fail(_ code: Int32) -> KernelError { KernelError("", "", code: code) }
        switch operation {
        case .addTable:
            guard state == nil else { throw fail(EEXIST) }
            state = Table()
            return
        case .deleteTable:
            guard state != nil else { throw fail(ENOENT) }
            state = nil
            return
        default: break
        }
        guard var table = state else { throw fail(ENOENT) }
        switch operation {
        case .addTable, .deleteTable: break
        case .addSet(let set):
            guard table.sets[set.name] == nil, !table.strangeSets.contains(set.name) else { throw fail(EEXIST) }
            table.sets[set.name] = SetState(set: set)
        case .deleteSet(let name):
            guard table.sets[name] != nil || table.strangeSets.contains(name) else { throw fail(ENOENT) }
            guard !table.isUsed(set: name) else { throw fail(EBUSY) }
            table.sets[name] = nil
            table.strangeSets.remove(name)
        case .addChain(let name, let hook):
            guard table.chains[name] == nil else { throw fail(EEXIST) }
            table.chains[name] = Chain(hook: hook)
        case .flushChain(let name):
            guard table.chains[name] != nil else { throw fail(ENOENT) }
            table.chains[name]?.rules = []
        case .deleteChain(let name):
            guard let chain = table.chains[name] else { throw fail(ENOENT) }
            guard chain.rules.isEmpty, !table.isUsed(chain: name) else { throw fail(EBUSY) }
            table.chains[name] = nil
        case .addRule(let chain, let rule):
            guard table.chains[chain] != nil, rule.usedSets.allSatisfy({ table.sets[$0] != nil }),
                rule.usedChains.allSatisfy({ table.chains[$0] != nil })
            else { throw fail(ENOENT) }
            table.chains[chain]?.rules.append(rule)
        case .addElements(let set, let elements):
            guard table.sets[set.name] != nil else { throw fail(ENOENT) }
            for element in elements {
                guard table.sets[set.name]?.elements.updateValue(element.data, forKey: element.key) == nil else {
                    throw fail(EEXIST)
                }
                guard case .verdict = set.data else { continue }
                let chain = transaction.chain(ofPick: element.key[0])
                guard table.chains[chain] != nil else { throw fail(ENOENT) }
                table.sets[set.name]?.picks[element.key[0]] = chain
            }
            guard table.sets[set.name]?.elements.count ?? 0 <= set.size else { throw fail(ENFILE) }
        case .deleteElements(let set, let elements):
            guard table.sets[set.name] != nil else { throw fail(ENOENT) }
            for element in elements {
                guard table.sets[set.name]?.elements.removeValue(forKey: element.key) != nil else { throw fail(ENOENT) }
                table.sets[set.name]?.picks[element.key[0]] = nil
            }
        }
        state = table
    }

    func dump(table name: String) throws(KernelError) -> AppliedState? {
        if let code = failures.withLock({ $0.first == EINTR ? $0.removeFirst() : nil }) {
            throw KernelError("read", "table", code: code)
        }
        guard let table else { return nil }
        var applied = AppliedState()
        for (name, chain) in table.chains {
            applied.chains[name] = AppliedState.Chain(
                hook: chain.hook, isBase: chain.hook != nil, rules: chain.rules.map(\.canonicalText))
            for rule in chain.rules { applied.usedSets.formUnion(rule.usedSets) }
        }
        applied.sets = table.sets.values.map(\.set)
        applied.foreignSets = Array(table.strangeSets)
        for kind in NftSet.Kind.allCases {
            guard let set = applied.set(kind), let state = table.sets[set.name] else { continue }
            applied.elements[kind.rawValue] = state.elements
            if kind == .picks { applied.picks = state.picks }
        }
        return applied
    }
}

extension FakeNftKernel.Table {
    func isUsed(set name: String) -> Bool {
        chains.values.contains { $0.rules.contains { $0.usedSets.contains(name) } }
    }
    func isUsed(chain name: String) -> Bool {
        chains.values.contains { $0.rules.contains { $0.usedChains.contains(name) } }
            || sets.values.contains { $0.picks.values.contains(name) }
    }
    /// The set of a kind to which rules refer.
    func live(_ kind: NftSet.Kind) -> FakeNftKernel.SetState? {
        let candidates = sets.values.filter { $0.set.kind == kind }
        return candidates.first { isUsed(set: $0.set.name) } ?? candidates.first
    }
}

extension NftRule {
    var usedSets: Set<String> {
        Set(
            expressions.compactMap { expression in
                switch expression {
                case .lookup(_, let set, _, _), .dynamic(_, let set, _, _, _): set
                default: nil
                }
            })
    }
    var usedChains: Set<String> {
        Set(
            expressions.compactMap { expression in
                switch expression {
                case .verdict(.jump(let chain)), .verdict(.go(let chain)): chain
                default: nil
                }
            })
    }
}
