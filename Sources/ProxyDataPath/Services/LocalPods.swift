/// In how many slices each pod of this node is, and in how many of them it is ending.
struct LocalPods {
    enum Standing: Sendable, Equatable {
        /// No service has it as an endpoint.
        case absent
        /// Every service that has it knows that it ends.
        case ending
        case serving
    }

    private var counts: [String: (all: Int, ending: Int)] = [:]

    func standing(of uid: String) -> Standing {
        guard let count = counts[uid] else { return .absent }
        return count.ending == count.all ? .ending : .serving
    }

    mutating func replace(_ old: EndpointPorts?, by new: EndpointPorts?) {
        add(old, -1)
        add(new, 1)
    }

    private mutating func add(_ slice: EndpointPorts?, _ step: Int) {
        for member in slice?.members ?? [] {
            guard let uid = member.podUID else { continue }
            var count = counts[uid] ?? (0, 0)
            count.all += step
            if member.isTerminating { count.ending += step }
            counts[uid] = count.all == 0 ? nil : count
        }
    }
}
