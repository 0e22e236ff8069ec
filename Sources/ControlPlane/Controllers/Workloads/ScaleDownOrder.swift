import KubeAPI

/// Which pods go when there are too many: those that serve least, as Kubernetes ranks them.
enum ScaleDownOrder {
    private static let costAnnotation = "controller.kubernetes.io/pod-deletion-cost"

    /// What a pod is ranked by; what is smaller goes first.
    private struct Rank: Comparable {
        /// 0 without a node.
        let placement: Int
        /// Pending, Unknown, Running.
        let phase: Int
        let readiness: Int
        let deletionCost: Int
        /// Of the crowd's pods on its node, negated: crowded nodes are relieved first.
        let neighbours: Int
        /// When it became ready, negated: the latest has the fewest connections.
        let readySince: Int64
        /// Negated: what restarts often goes.
        let restarts: Int
        /// Negated.
        let created: Int64
        let name: String

        static func < (left: Rank, right: Rank) -> Bool {
            if left.placement != right.placement { return left.placement < right.placement }
            if left.phase != right.phase { return left.phase < right.phase }
            if left.readiness != right.readiness { return left.readiness < right.readiness }
            if left.deletionCost != right.deletionCost { return left.deletionCost < right.deletionCost }
            if left.neighbours != right.neighbours { return left.neighbours < right.neighbours }
            if left.readySince != right.readySince { return left.readySince < right.readySince }
            if left.restarts != right.restarts { return left.restarts < right.restarts }
            if left.created != right.created { return left.created < right.created }
            return left.name > right.name
        }
    }

    /// `crowd`, where it is more than the pods themselves, is what makes a node crowded: all pods of a deployment.
    static func firstToGo(_ pods: [JSON], count: Int, crowd: [JSON]? = nil) -> [JSON] {
        guard count < pods.count else { return pods }
        let perNode = Dictionary(grouping: (crowd ?? pods).map { Pod($0).nodeName }, by: { $0 }).mapValues(\.count)
        return pods.map { (pod: $0, rank: rank(Pod($0), perNode)) }.sorted { $0.rank < $1.rank }.prefix(count).map(
            \.pod)
    }

    private static func rank(_ pod: Pod, _ perNode: [String: Int]) -> Rank {
        func seconds(_ text: String?) -> Int64 { text.flatMap { Timestamp(rfc3339: $0) }?.unixSeconds ?? 0 }
        let restarts = pod.containerStatuses.map { $0.json["restartCount"].int ?? 0 }.max() ?? 0
        return Rank(
            placement: pod.nodeName.isEmpty ? 0 : 1,
            phase: pod.phase == "Running" ? 2 : pod.phase == "Unknown" ? 1 : 0,
            readiness: pod.isReady ? 1 : 0,
            deletionCost: pod.annotations[costAnnotation].flatMap { Int($0) } ?? 0,
            neighbours: -(perNode[pod.nodeName] ?? 0),
            readySince: pod.isReady ? -seconds(pod.condition("Ready")?["lastTransitionTime"].string) : 0,
            restarts: -restarts,
            created: -seconds(pod.json["metadata"]["creationTimestamp"].string),
            name: pod.name)
    }
}
