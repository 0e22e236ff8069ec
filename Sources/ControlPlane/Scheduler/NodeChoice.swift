import KubeAPI

/// Chooses a node for a pod.
///
/// In a large cluster not every node is looked at for every pod: as in Kubernetes, enough of those that fit are
/// compared, and the search goes on where the last one ended, so that all nodes get their turn.
struct NodeChoice: Sendable {
    /// Clusters up to so many nodes are searched in full.
    static let minSample = 100
    /// Percent of the nodes that are compared, at least.
    static let minPercent = 5

    /// Where the next search begins.
    private var start = 0
    private var candidates: [Candidate] = []

    private struct Candidate {
        let position: Int
        var score: Int64
        var unwelcome: Int64 = 0
        var preference: Int64 = 0
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
        if start >= count { start = 0 }
        var looked = 0
        nodes.rooms.withUnsafeBufferPointer { rooms in
            while looked < count, candidates.count < wanted {
                var position = start &+ looked
                if position >= count { position &-= count }
                looked &+= 1
                guard Filters.fits(pod, rooms[position], nodes.details[position]) else { continue }
                candidates.append(Candidate(position: position, score: Scores.resources(pod, rooms[position])))
            }
        }
        start = (start + looked) % count
        guard !candidates.isEmpty else { return nil }
        addComparative(pod, nodes)
        return best(nodes)
    }

    /// Criteria whose scale is the best or worst among the candidates.
    private mutating func addComparative(_ pod: PodDemand, _ nodes: NodeTable) {
        var mostUnwelcome: Int64 = 0
        var mostPreferred: Int64 = 0
        for index in candidates.indices {
            let position = candidates[index].position
            if nodes.rooms[position].flags.contains(.softTaints) {
                candidates[index].unwelcome = Scores.unwelcome(pod, nodes.details[position])
                mostUnwelcome = max(mostUnwelcome, candidates[index].unwelcome)
            }
            if !pod.preferredTerms.isEmpty {
                candidates[index].preference = Scores.preference(pod, nodes.details[position])
                mostPreferred = max(mostPreferred, candidates[index].preference)
            }
        }
        guard mostUnwelcome > 0 || mostPreferred > 0 else { return }
        for index in candidates.indices {
            if mostUnwelcome > 0 {
                candidates[index].score += 3 * Scores.full * (mostUnwelcome - candidates[index].unwelcome) / mostUnwelcome
            }
            if mostPreferred > 0 {
                candidates[index].score += 2 * Scores.full * candidates[index].preference / mostPreferred
            }
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
        var counts: [String: Int] = [:]
        for position in 0..<nodes.count {
            for reason in Filters.reasons(pod, nodes.rooms[position], nodes.details[position]) {
                counts[reason, default: 0] += 1
            }
        }
        // Sorted as texts, numbers included, like Kubernetes'.
        let texts = counts.map { "\($0.value) \($0.key)" }.sorted()
        return "0/\(nodes.count) nodes are available: \(texts.joined(separator: ", "))."
    }
}
