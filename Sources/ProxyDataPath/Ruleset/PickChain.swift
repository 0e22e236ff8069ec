/// A chain that chooses a backend. All services with as many backends share one, so that there are few.
enum PickChain: Hashable, Sendable {
    /// There is no backend.
    case refuse
    /// There is none on this node, and its traffic policy is local: clients shall try another node.
    case nowhere
    case random(count: Int)
    /// A client stays with its backend until it has not connected for that long.
    case sticky(count: Int, seconds: Int, masquerades: Bool)

    var name: String {
        switch self {
        case .refuse: "refuse"
        case .nowhere: "nowhere"
        case .random(let count): "pick\(count)"
        case .sticky(let count, let seconds, let masquerades): "sticky\(count)-\(seconds)\(masquerades ? "-out" : "")"
        }
    }

    /// From a name in the kernel; nil for one that is not ours.
    init?(name: String) {
        if name == "refuse" {
            self = .refuse
        } else if name == "nowhere" {
            self = .nowhere
        } else if name.hasPrefix("pick"), let count = Int(name.dropFirst(4)), count > 0 {
            self = .random(count: count)
        } else if name.hasPrefix("sticky") {
            let parts = name.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 2 || parts.count == 3 && parts[2] == "out", let count = Int(parts[0]), count > 0,
                let seconds = Int(parts[1]), seconds > 0
            else { return nil }
            self = .sticky(count: count, seconds: seconds, masquerades: parts.count == 3)
        } else {
            return nil
        }
    }

    /// Whatever the services, these are there.
    static let permanent: [PickChain] = [.refuse, .nowhere]
    var isPermanent: Bool { self == .refuse || self == .nowhere }
    var isSticky: Bool { if case .sticky = self { true } else { false } }

    /// The rules. Who comes to their end, because a commit took away what an earlier look-up promised, is back in `svc`,
    /// which lets nobody through.
    func rules(_ sets: NftSets, _ layout: MarkLayout) -> [NftRule] {
        switch self {
        case .refuse:
            // A plain reject leaves a TCP client on the node hanging.
            return [NftRule(.isTCP, .reset), NftRule(.unreachable(sets.family))]
        case .nowhere: return [NftRule(.drop)]
        case .random(let count):
            return [
                NftRule(.hasPorts, .translate(to: .maskedMark(layout.idMask), .random(count), in: sets[.backends]))
            ]
        case .sticky(let count, let seconds, let masquerades):
            let id = NftField.maskedMark(layout.idMask)
            let client = NftField.address(.sourceAddress, sets.family)
            let affinity = sets[.affinity]
            let backend = NftRule(
                .hasPorts,
                .translate(
                    to: masquerades ? .maskedMark(~layout.masqueradeFlag) : .mark, in: sets[.stickyBackends]))
            let outside = masquerades ? [NftRule(.addToMark(layout.masqueradeFlag))] : []
            return [
                // A known client: the mark becomes its backend's number, which lacks the flag of an undecided one.
                NftRule(.setMark(to: client, id, in: affinity)),
                NftRule(
                    .markHas(layout.stickyFlag, equal: 0),
                    .remember(.update, in: affinity, client, id, data: .mark, seconds: seconds)),
            ] + outside + [
                backend,
                // Nobody known, or its backend is gone: an update would keep the old number, so it goes first.
                NftRule(.remember(.delete, in: affinity, client, id, data: .mark)),
                // Slot 0 for whom the next look-up finds less than `count`.
                NftRule(.setMark(to: id, .random(1), in: sets[.stickySlots])),
                NftRule(.setMark(to: id, .random(count), in: sets[.stickySlots])),
                NftRule(.remember(.add, in: affinity, client, id, data: .mark, seconds: seconds)),
            ] + outside + [backend]
        }
    }
}
