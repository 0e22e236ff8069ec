import KubeAPI

/// A deployment with its replica sets at one moment, and what follows from them.
struct Rollout: Sendable {
    var deployment: Deployment
    /// The deployment as it is stored: what is changed on the way is written once, at the end.
    let stored: JSON
    /// That of the current template; nil before it is made.
    var new: ReplicaSet?
    /// The oldest first.
    var old: [ReplicaSet]

    var all: [ReplicaSet] { old + (new.map { [$0] } ?? []) }
    var activeOld: [ReplicaSet] { old.filter { $0.replicas > 0 } }
    var active: [ReplicaSet] { all.filter { $0.replicas > 0 } }

    init(_ deployment: Deployment, _ sets: [ReplicaSet]) {
        self.deployment = deployment
        stored = deployment.json
        let sorted = sets.sorted(by: Self.isOlder)
        // Of several with the same template the oldest counts, so that it never changes.
        new = sorted.first { DeploymentAnnotations.areEqual($0.template, deployment.template) }
        old = sorted.filter { [uid = new?.uid] in $0.uid != uid }
    }

    static func isOlder(_ one: ReplicaSet, _ other: ReplicaSet) -> Bool {
        (one.creationTimestamp, one.name) < (other.creationTimestamp, other.name)
    }

    /// A set that was written is another value.
    mutating func replace(_ set: ReplicaSet) {
        if new?.uid == set.uid { new = set }
        for index in old.indices where old[index].uid == set.uid { old[index] = set }
    }

    /// The highest revision of the old sets.
    var highestOldRevision: Int { old.map { DeploymentAnnotations.revision(of: $0.json) }.max() ?? 0 }

    /// The wanted number has changed since the sets were scaled.
    var isScaled: Bool {
        active.contains { set in
            DeploymentAnnotations.number(set, DeploymentAnnotations.desired).map { $0 != deployment.replicas } ?? false
        }
    }

    // MARK: how many pods of which set

    /// How many the new set may have now.
    var newReplicas: Int {
        guard deployment.isRollingUpdate else { return deployment.replicas }
        let own = new?.replicas ?? 0
        let room = deployment.replicas + deployment.maxSurge - all.map(\.replicas).sum
        return room <= 0 ? own : own + min(room, deployment.replicas - own)
    }

    /// How many pods of old sets may go now: without going below the number that must be available, and counting on
    /// none of the new set's that is not.
    var removableOldReplicas: Int {
        guard let new else { return 0 }
        let leastAvailable = deployment.replicas - deployment.maxUnavailable
        let newUnavailable = new.replicas - new.availableReplicas
        return all.map(\.replicas).sum - leastAvailable - newUnavailable
    }

    /// Old pods that are not available go first: they serve nobody.
    func unhealthyCleanup(_ limit: Int) -> [(set: ReplicaSet, replicas: Int)] {
        var left = limit
        var plan: [(ReplicaSet, Int)] = []
        for set in activeOld where left > 0 && set.replicas > set.availableReplicas {
            let count = min(left, set.replicas - set.availableReplicas)
            plan.append((set, set.replicas - count))
            left -= count
        }
        return plan
    }

    /// Then those that are, as long as enough remain.
    func oldScaleDown() -> [(set: ReplicaSet, replicas: Int)] {
        var left = all.map(\.availableReplicas).sum - (deployment.replicas - deployment.maxUnavailable)
        var plan: [(ReplicaSet, Int)] = []
        for set in activeOld where left > 0 {
            let count = min(set.replicas, left)
            plan.append((set, set.replicas - count))
            left -= count
        }
        return plan
    }

    // MARK: scaling a deployment

    /// What a change of the wanted number does to the sets: one alone takes it all; a finished rollout leaves none to
    /// the old ones; in the middle of a rollout each takes its share.
    func scalePlan() -> [(set: ReplicaSet, replicas: Int)] {
        if let only = activeOrLatest { return [(only, deployment.replicas)] }
        if isSaturated { return activeOld.map { ($0, 0) } }
        return deployment.isRollingUpdate ? proportionalPlan() : []
    }

    /// The only set with pods, or the latest where none has any; nil where several have.
    private var activeOrLatest: ReplicaSet? {
        let active = active
        return active.isEmpty ? new ?? old.last : active.count == 1 ? active[0] : nil
    }

    /// The new set has all it needs.
    private var isSaturated: Bool {
        guard let new, let desired = DeploymentAnnotations.number(new, DeploymentAnnotations.desired) else {
            return false
        }
        return new.replicas == deployment.replicas && desired == deployment.replicas
            && new.availableReplicas == deployment.replicas
    }

    private func proportionalPlan() -> [(set: ReplicaSet, replicas: Int)] {
        let allowed = deployment.replicas > 0 ? deployment.replicas + deployment.maxSurge : 0
        let missing = allowed - active.map(\.replicas).sum
        // The larger come first; of equals, the newer when there is to add, the older when there is to take away.
        let sets = active.sorted {
            if $0.replicas != $1.replicas { return $0.replicas > $1.replicas }
            return missing > 0 ? Self.isOlder($1, $0) : Self.isOlder($0, $1)
        }
        var added = 0
        var plan: [(set: ReplicaSet, replicas: Int)] = sets.map { set in
            let share = missing == 0 ? 0 : share(of: set, missing: missing, added: added)
            added += share
            return (set, set.replicas + share)
        }
        // What rounding left over goes to the largest.
        if !plan.isEmpty, missing != 0 { plan[0].replicas = max(0, plan[0].replicas + missing - added) }
        return plan
    }

    private func share(of set: ReplicaSet, missing: Int, added: Int) -> Int {
        guard set.replicas > 0, missing != added else { return 0 }
        let allowed = missing - added
        return missing > 0 ? min(fraction(set), allowed) : max(fraction(set), allowed)
    }

    /// What the set gains or loses when it keeps its part of the whole.
    private func fraction(_ set: ReplicaSet) -> Int {
        if deployment.replicas == 0 { return -set.replicas }
        var former = DeploymentAnnotations.number(set, DeploymentAnnotations.max) ?? 0
        if former == 0 { former = deployment.status["replicas"].int ?? 0 }
        if former == 0 { return 0 }
        let wanted = deployment.replicas + deployment.maxSurge
        let size = (Double(set.replicas * wanted) / Double(former)).rounded(.toNearestOrAwayFromZero)
        return Int(size) - set.replicas
    }
}

extension Sequence<Int> {
    var sum: Int { reduce(0, +) }
}
