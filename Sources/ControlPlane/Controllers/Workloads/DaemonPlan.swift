import KubeAPI

/// A daemon set on its nodes at one moment, and what is to be done: pure, out of what the informers show.
struct DaemonPlan {
    struct Actions {
        var creations: [String] = []
        var deletions: [JSON] = []
        /// Pods among the deletions that have ended.
        var ended: [Pod] = []
    }

    private let set: DaemonSet
    private let hash: String
    private let now: Timestamp
    private let fits: [String: (shouldRun: Bool, mayStay: Bool)]
    /// Those that have ended and are being deleted are as good as gone.
    private let pods: [String: [Pod]]
    private let strays: [JSON]

    init(_ set: DaemonSet, hash: String, nodes: [JSON], pods: [JSON], _ template: DaemonPod, now: Timestamp = .now()) {
        self.set = set
        self.hash = hash
        self.now = now
        let fits = Dictionary(nodes.map { ($0.name, template.fits($0)) }, uniquingKeysWith: { first, _ in first })
        self.fits = fits
        var byNode: [String: [Pod]] = [:]
        var strays: [JSON] = []
        for pod in pods.map(Pod.init) where !(pod.isTerminal && pod.isDeleting) {
            guard let node = DaemonPod.node(of: pod) else { continue }
            byNode[node, default: []].append(pod)
            // A pod that waits for a node that is gone waits for ever.
            if pod.nodeName.isEmpty, fits[node] == nil { strays.append(pod.json) }
        }
        self.pods = byNode.mapValues { $0.sorted(by: Self.isOlder) }
        self.strays = strays
    }

    /// Bound ones first, then by age.
    private static func isOlder(_ one: Pod, _ other: Pod) -> Bool {
        if one.nodeName.isEmpty != other.nodeName.isEmpty { return other.nodeName.isEmpty }
        let created = { (pod: Pod) in pod.json["metadata"]["creationTimestamp"].stringValue }
        return (created(one), one.name) < (created(other), other.name)
    }

    private var allowsSurge: Bool { self.set.maxSurge(of: max(1, desired)) > 0 }
    private var desired: Int { fits.values.count { $0.shouldRun } }

    private func isUpdated(_ pod: Pod) -> Bool {
        pod.json["metadata"]["labels"][RevisionHistory.hashLabel].string == hash
    }
    private func isAvailable(_ pod: Pod) -> Bool { pod.isAvailable(after: .seconds(set.minReadySeconds), now) }

    // MARK: one pod for each node

    func manage() -> Actions {
        var actions = Actions(deletions: strays)
        for (node, fit) in fits.sorted(by: { $0.key < $1.key }) {
            let present = pods[node] ?? []
            if fit.shouldRun, present.isEmpty {
                actions.creations.append(node)
            } else if fit.mayStay {
                let here = present.filter { !$0.isDeleting }
                let ended = here.filter(\.isTerminal)
                actions.ended += ended
                actions.deletions += ended.map(\.json) + superfluous(here.filter { !$0.isTerminal }).map(\.json)
            } else {
                actions.deletions += present.filter { !$0.isDeleting }.map(\.json)
            }
        }
        return actions
    }

    /// Of several running pods the oldest stays. During an update with surge, an old pod that is ready stays beside the
    /// new one until that is available.
    private func superfluous(_ running: [Pod]) -> [Pod] {
        guard running.count > 1 else { return [] }
        guard allowsSurge else { return Array(running.dropFirst()) }
        let new = running.first(where: isUpdated)
        let old = running.first { !isUpdated($0) }
        var extra = running.filter { $0.uid != new?.uid && $0.uid != old?.uid }
        if let new, let old, !old.isReady || isAvailable(new) { extra.append(old) }
        return extra
    }

    // MARK: updates

    func roll() -> Actions {
        let wanted = fits.filter { $0.value.shouldRun }.keys
        let nodes = Set(wanted).union(pods.keys).sorted()
        let surge = set.maxSurge(of: desired)
        return surge == 0 ? replace(nodes, set.maxUnavailable(of: desired)) : surplus(nodes, surge)
    }

    /// The new and the old pod of a node; nil where it has several of one sort, which `manage` sees to.
    private func pair(_ node: String) -> (new: Pod?, old: Pod?)? {
        let here = (pods[node] ?? []).filter { !$0.isDeleting }
        let new = here.filter(isUpdated)
        let old = here.filter { !isUpdated($0) }
        return new.count > 1 || old.count > 1 ? nil : (new.first, old.first)
    }

    /// Deletes as many old pods as may be missing, those first that are not available anyway.
    private func replace(_ nodes: [String], _ maxUnavailable: Int) -> Actions {
        var unavailable = 0
        var actions = Actions()
        var candidates: [JSON] = []
        for node in nodes {
            guard let pair = pair(node), (pair.new == nil) != (pair.old == nil) else {
                unavailable += 1
                continue
            }
            if let old = pair.old {
                if isAvailable(old) {
                    candidates.append(old.json)
                } else {
                    actions.deletions.append(old.json)
                    unavailable += 1
                }
            } else if let new = pair.new, !isAvailable(new) {
                unavailable += 1
            }
        }
        actions.deletions += candidates.prefix(max(0, maxUnavailable - unavailable))
        return actions
    }

    /// Puts new pods beside old ones, as many as may be, and deletes the old ones when the new are available.
    private func surplus(_ nodes: [String], _ maxSurge: Int) -> Actions {
        var surge = 0
        var actions = Actions()
        var candidates: [String] = []
        for node in nodes {
            guard let pair = pair(node) else {
                surge += 1
                continue
            }
            guard let old = pair.old else { continue }
            if let new = pair.new {
                if isAvailable(new) { actions.deletions.append(old.json) } else { surge += 1 }
            } else if isAvailable(old) {
                candidates.append(node)
            } else {
                actions.creations.append(node)
            }
        }
        actions.creations += candidates.prefix(max(0, maxSurge - surge))
        return actions
    }

    // MARK: status

    /// `soonest` is when the next pod becomes available by time alone.
    func status() -> (status: JSON, soonest: Duration?) {
        var current = 0
        var misplaced = 0
        var ready = 0
        var available = 0
        var updated = 0
        var soonest: Duration?
        for (node, fit) in fits {
            guard let first = pods[node]?.first else { continue }
            guard fit.shouldRun else {
                misplaced += 1
                continue
            }
            current += 1
            if isUpdated(first) { updated += 1 }
            guard let wait = first.timeToAvailability(after: .seconds(set.minReadySeconds), now) else { continue }
            ready += 1
            if wait == .zero { available += 1 } else { soonest = min(soonest ?? wait, wait) }
        }
        var status = set.status
        status["currentNumberScheduled"] = .int(Int64(current))
        status["numberMisscheduled"] = .int(Int64(misplaced))
        status["desiredNumberScheduled"] = .int(Int64(desired))
        status["numberReady"] = .int(Int64(ready))
        status["observedGeneration"] = .positive(set.json.generation)
        status["updatedNumberScheduled"] = .positive(updated)
        status["numberAvailable"] = .positive(available)
        status["numberUnavailable"] = .positive(desired - available)
        return (status, soonest)
    }
}
