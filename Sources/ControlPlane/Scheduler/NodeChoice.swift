import KubeAPI

/// Chooses a node for a pod.
///
/// In a large cluster not every node is looked at for every pod: as in Kubernetes, enough of those that fit are
/// compared, and the search goes on where the last one ended, so that all nodes get their turn.
struct NodeChoice {
    /// Clusters up to so many nodes are searched in full.
    static let minSample = 100
    /// Percent of the nodes that are compared, at least.
    static let minPercent = 5

    /// Where the next search begins.
    private var start = 0
    private var candidates: [Candidate] = []
    private var constraintAnswers = ConstraintCache()

    private struct Candidate {
        let position: Int
        var score: Int64
        var unwelcome: Int64 = 0
    }

    /// Kubernetes' percentageOfNodesToScore: half of the nodes in small clusters, a twentieth in large ones.
    static func sampleSize(_ nodes: Int) -> Int {
        guard nodes > minSample else { return nodes }
        return max(minSample, nodes * max(minPercent, 50 - nodes / 125) / 100)
    }

    /// The position of the best node that fits, nil where none does.
    mutating func choose(_ pod: PodDemand, _ nodes: NodeTable) -> Int? {
        let count = nodes.count
        guard count > 0 else { return nil }
        candidates.removeAll(keepingCapacity: true)
        let wanted = Self.sampleSize(count)
        let answers = pod.constraints.map { constraintAnswers($0, nodes) }
        if start >= count { start = 0 }
        var looked = 0
        nodes.rooms.withUnsafeBufferPointer { rooms in
            while looked < count, candidates.count < wanted {
                var position = start &+ looked
                if position >= count { position &-= count }
                looked &+= 1
                if let answers, !answers.matches[position] { continue }
                guard Filters.fits(pod, rooms[position], nodes.details[position]) else { continue }
                candidates.append(Candidate(position: position, score: Scores.resources(pod, rooms[position])))
            }
        }
        start = (start + looked) % count
        guard !candidates.isEmpty else { return nil }
        addComparative(pod, nodes, answers)
        return best(nodes)
    }

    /// Criteria whose scale is the best or worst among the candidates.
    private mutating func addComparative(_ pod: PodDemand, _ nodes: NodeTable, _ answers: ConstraintCache.Answers?) {
        var mostUnwelcome: Int64 = 0
        for index in candidates.indices where nodes.rooms[candidates[index].position].flags.contains(.softTaints) {
            candidates[index].unwelcome = Scores.unwelcome(pod, nodes.details[candidates[index].position])
            mostUnwelcome = max(mostUnwelcome, candidates[index].unwelcome)
        }
        if mostUnwelcome > 0 {
            for index in candidates.indices {
                candidates[index].score +=
                    3 * Scores.full * (mostUnwelcome - candidates[index].unwelcome) / mostUnwelcome
            }
        }
        guard let answers, answers.best > 0 else { return }
        let mostPreferred = candidates.reduce(Int32(0)) { max($0, answers.preferences[$1.position]) }
        guard mostPreferred > 0 else { return }
        for index in candidates.indices {
            candidates[index].score +=
                2 * Scores.full * Int64(answers.preferences[candidates[index].position]) / Int64(mostPreferred)
        }
    }

    /// Equal scores go by name, so that a decision can be repeated.
    private func best(_ nodes: NodeTable) -> Int {
        var best = candidates[0]
        for candidate in candidates.dropFirst() where candidate.score >= best.score {
            if candidate.score > best.score
                || nodes.details[candidate.position].name < nodes.details[best.position].name
            {
                best = candidate
            }
        }
        return best.position
    }

    /// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`
    static func explain(_ pod: PodDemand, _ nodes: NodeTable) -> String {
        guard nodes.count > 0 else { return "no nodes available to schedule pods" }
        var byBit = [Int](repeating: 0, count: Filters.Reasons.texts.count)
        var byResource: [String: Int] = [:]
        for position in 0..<nodes.count {
            let (reasons, others) = Filters.reasons(pod, nodes.rooms[position], nodes.details[position])
            for bit in byBit.indices where reasons.rawValue & (1 << UInt16(bit)) != 0 { byBit[bit] += 1 }
            for name in others { byResource[name, default: 0] += 1 }
        }
        var texts = zip(byBit, Filters.Reasons.texts).filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        texts += byResource.map { "\($0.value) Insufficient \($0.key)" }
        // Sorted as texts, numbers included, like Kubernetes'.
        return "0/\(nodes.count) nodes are available: \(texts.sorted().joined(separator: ", "))."
    }
}
