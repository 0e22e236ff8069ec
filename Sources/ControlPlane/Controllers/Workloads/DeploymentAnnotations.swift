import KubeAPI

/// What deployments and their replica sets remember of each other in annotations.
enum DeploymentAnnotations {
    static let revision = "deployment.kubernetes.io/revision"
    static let history = "deployment.kubernetes.io/revision-history"
    static let desired = "deployment.kubernetes.io/desired-replicas"
    static let max = "deployment.kubernetes.io/max-replicas"
    /// The label that tells the pods of one replica set from another's.
    static let hashLabel = "pod-template-hash"
    /// The characters of the history that are kept: its oldest part goes first.
    private static let historyLimit = 2000
    /// What stays with the deployment.
    private static let own: Set<String> = [
        "kubectl.kubernetes.io/last-applied-configuration", revision, history, desired, max,
        "deprecated.deployment.rollback.to",
    ]

    static func revision(of object: JSON) -> Int {
        object["metadata"]["annotations"][revision].string.flatMap { Int($0) } ?? 0
    }

    static func setRevision(_ object: inout JSON, _ number: Int) { _ = set(&object, revision, String(number)) }

    /// Writes what the deployment's newest replica set is to have; whether that changed it.
    static func update(_ set: inout JSON, of deployment: Deployment, revision number: Int, isNew: Bool) -> Bool {
        var isChanged = false
        for (name, value) in deployment.annotations where !own.contains(name) {
            if Self.set(&set, name, value) { isChanged = true }
        }
        let before = revision(of: set)
        if before < number {
            setRevision(&set, number)
            isChanged = true
            if before > 0 { remember(before, &set) }
        }
        if isNew { _ = setReplicas(&set, of: deployment) }
        return isChanged || isNew
    }

    /// The revisions under which the template was in use before.
    private static func remember(_ former: Int, _ set: inout JSON) {
        var entries = set["metadata"]["annotations"][history].stringValue.split(separator: ",").map(String.init)
        entries.append(String(former))
        while entries.joined(separator: ",").utf8.count > historyLimit { entries.removeFirst() }
        set["metadata"]["annotations"][history] = .string(entries.joined(separator: ","))
    }

    /// How many pods the deployment wanted when the set was last scaled: what proportional scaling goes by.
    static func setReplicas(_ set: inout JSON, of deployment: Deployment) -> Bool {
        let isOther = Self.set(&set, desired, String(deployment.replicas))
        return Self.set(&set, max, String(deployment.replicas + deployment.maxSurge)) || isOther
    }

    static func number(_ set: ReplicaSet, _ name: String) -> Int? {
        set.json["metadata"]["annotations"][name].string.flatMap { Int($0) }
    }

    private static func set(_ object: inout JSON, _ name: String, _ value: String) -> Bool {
        guard object["metadata"]["annotations"][name].string != value else { return false }
        object["metadata"]["annotations"][name] = .string(value)
        return true
    }

    /// Whether two templates make the same pods.
    static func areEqual(_ one: JSON, _ other: JSON) -> Bool { withoutHash(one) == withoutHash(other) }

    private static func withoutHash(_ template: JSON) -> JSON {
        var template = template
        if template["metadata"]["labels"].isObject { template["metadata"]["labels"][hashLabel] = .null }
        return template
    }
}
