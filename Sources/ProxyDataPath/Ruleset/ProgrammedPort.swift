import KubeAPI

/// One service port as it stands in the rules.
struct ProgrammedPort: Sendable, Equatable {
    let id: UInt32
    var fronts: [Front] = []
    /// By slot.
    var slots: [Backend] = []
    /// Of a service with affinity: the number of each slot's backend, by which its clients know it. It stays with the
    /// backend when slots move.
    var numbers: [Int] = []
    var affinitySeconds: Int?
    var localAddresses: [IPAddress] = []

    /// The chain that chooses for connections to a front.
    func pick(for front: Front) -> PickChain {
        guard !slots.isEmpty else { return .refuse }
        guard let affinitySeconds else { return .random(count: slots.count) }
        return .sticky(count: slots.count, seconds: affinitySeconds, masquerades: front.isExternal)
    }

    /// All chains that it needs, each once, in a fixed order. There are at most two.
    var picks: [PickChain] {
        guard let first = fronts.first else { return [] }
        let pick = pick(for: first)
        guard affinitySeconds != nil, fronts.contains(where: { $0.isExternal != first.isExternal }) else {
            return [pick]
        }
        return [false, true].compactMap { isExternal in
            fronts.first { $0.isExternal == isExternal }.map { self.pick(for: $0) }
        }.uniqued
    }

    /// A number for a backend that comes new: one after the last, so that those of gone ones come again late.
    static func freeNumber(in numbers: [Int], limit: Int) -> Int? {
        guard let greatest = numbers.max() else { return 1 }
        if greatest < limit { return greatest + 1 }
        let taken = Set(numbers)
        return (1...limit).first { !taken.contains($0) }
    }
}

extension [PickChain] {
    fileprivate var uniqued: [PickChain] { count == 2 && self[0] == self[1] ? [self[0]] : self }
}
