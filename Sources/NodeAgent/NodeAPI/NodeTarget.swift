import KubeAPI

/// What a command on the node is about: a pod, or a run of one of its containers.
struct NodeTarget: Sendable {
    let pod: PodSnapshot
    /// Nil where the pod as a whole is meant.
    let container: String?
    /// The container's run that is meant; nil for one that has not run.
    let run: ContainerRun?

    /// Beginnings of ids that are taken for one; a shorter word is more likely a name that was mistyped.
    static let shortestID = 4

    /// Finds what a user means by `NAMESPACE/POD`, `POD`, the beginning of a pod's uid, or that of a container's id.
    /// - Parameter container: of a pod, the container of that name.
    static func find(_ text: String, container: String? = nil, in pods: [PodSnapshot]) throws(StatusError) -> NodeTarget
    {
        let named = pods.filter { matches(text, $0) }
        if let pod = try only(named, text) { return try NodeTarget(pod, container) }
        let id = text.split(separator: "/").last.map { String($0.lowercased()) } ?? ""
        if id.utf8.count >= shortestID {
            let runs = pods.flatMap { pod in
                pod.state.containers.flatMap { name, known in
                    [known.current, known.previous].compactMap { $0 }.filter { $0.id.hasPrefix(id) }
                        .map { (pod: pod, name: name, run: $0) }
                }
            }
            guard runs.count < 2 else {
                throw .badRequest(
                    "\"\(text)\" is ambiguous: \(runs.map(\.run.id).sorted().map { $0.prefix(12) }.joined(separator: ", "))"
                )
            }
            if let found = runs.first { return NodeTarget(found.pod, found.name, found.run) }
            if let pod = try only(pods.filter { $0.pod.uid.hasPrefix(id) }, text) {
                return try NodeTarget(pod, container)
            }
        }
        throw StatusError(
            code: 404, reason: "NotFound", message: "there is no pod or container \"\(text)\" on this node")
    }

    private init(_ pod: PodSnapshot, _ container: String?, _ run: ContainerRun?) {
        self.pod = pod
        self.container = container
        self.run = run
    }

    private init(_ pod: PodSnapshot, _ container: String?) throws(StatusError) {
        if let container, !pod.pod.allContainers.contains(where: { $0.name == container }) {
            throw StatusError(
                code: 404, reason: "NotFound",
                message: "pod \(pod.pod.key) has no container \"\(container)\": it has \(Self.names(pod.pod))")
        }
        let known = container.flatMap { pod.state.containers[$0] }
        self.init(pod, container, known?.current ?? known?.previous)
    }

    private static func names(_ pod: Pod) -> String { pod.allContainers.map(\.name).joined(separator: ", ") }

    private static func matches(_ text: String, _ snapshot: PodSnapshot) -> Bool {
        let pod = snapshot.pod
        // `pod/web`, as kubectl prints names.
        return text == pod.name || text == pod.key || text == "pod/\(pod.name)"
    }

    /// The one pod among those that match; a name that is used again means the newer one.
    private static func only(_ pods: [PodSnapshot], _ text: String) throws(StatusError) -> PodSnapshot? {
        let keys = Set(pods.map(\.pod.key))
        guard keys.count < 2 else {
            throw .badRequest("\"\(text)\" is ambiguous: \(keys.sorted().joined(separator: ", "))")
        }
        return pods.max { first, second in
            let (isFirstLeaving, isSecondLeaving) = (first.state.leaving != nil, second.state.leaving != nil)
            if isFirstLeaving != isSecondLeaving { return isFirstLeaving }
            return first.timings.seenAt < second.timings.seenAt
        }
    }

    /// The container that a command without one is about, as kubectl chooses it.
    var defaultContainer: String {
        let named = pod.pod.annotations["kubectl.kubernetes.io/default-container"]
        if let named, pod.pod.container(named) != nil { return named }
        return pod.pod.containers.first?.name ?? ""
    }

    /// For commands that go on by names.
    var json: JSON {
        var json: JSON = [
            "namespace": .string(pod.pod.namespace), "pod": .string(pod.pod.name), "uid": .string(pod.pod.uid),
            "containers": .array(pod.pod.containers.map { .string($0.name) }),
            "container": .string(container ?? defaultContainer), "isContainerGiven": .bool(container != nil),
        ]
        if let run, let container {
            json["id"] = .string(run.id)
            json["isPrevious"] = .bool(pod.state.containers[container]?.previous?.id == run.id)
        }
        return json
    }
}
