import KubeAPI

/// The two kinds that keep a number of equal pods. They differ in how they select; all else is alike.
enum ReplicaKind: Sendable {
    case replicationController, replicaSet

    var resource: ResourcePath { self == .replicaSet ? .replicaSets : .replicationControllers }

    func informer(_ informers: SharedInformers) -> Informer {
        self == .replicaSet ? informers.replicaSets : informers.replicationControllers
    }

    func byNamespace(_ informers: SharedInformers) -> ObjectIndex {
        self == .replicaSet ? informers.replicaSetsByNamespace : informers.replicationControllersByNamespace
    }

    /// An empty selector selects nothing.
    func selector(of object: JSON) -> LabelSelector {
        let json = object["spec"]["selector"]
        let selector = self == .replicaSet ? LabelSelector(json) : LabelSelector(set: json.stringMap)
        return selector.isEverything ? .nothing : selector
    }
}
