/// A pod (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/).
public struct Pod: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var spec: JSON { json["spec"] }
    public var status: JSON { json["status"] }
    /// Empty while the pod is not bound.
    public var nodeName: String { spec["nodeName"].stringValue }
    public var phase: String { status["phase"].stringValue }
    public var podIP: String? { status["podIP"].string.nonEmpty }
    public var podIPs: [String] {
        let all = status["podIPs"].items.compactMap { $0["ip"].string }
        return all.isEmpty ? podIP.map { [$0] } ?? [] : all
    }
    public var containers: [Container] { spec["containers"].items.map(Container.init) }
    public var initContainers: [Container] { spec["initContainers"].items.map(Container.init) }
    /// Those that were added to the running pod to look into it.
    public var ephemeralContainers: [Container] { spec["ephemeralContainers"].items.map(Container.init) }
    /// By the name in the spec, init and ephemeral containers included.
    public func container(_ name: String) -> Container? {
        (containers + initContainers + ephemeralContainers).first { $0.name == name }
    }
    public var volumes: [Volume] { spec["volumes"].items.map(Volume.init) }
    public var containerStatuses: [ContainerStatus] { status["containerStatuses"].items.map(ContainerStatus.init) }
    public var initContainerStatuses: [ContainerStatus] {
        status["initContainerStatuses"].items.map(ContainerStatus.init)
    }
    public var hostNetwork: Bool { spec["hostNetwork"].bool ?? false }
    public var hostPID: Bool { spec["hostPID"].bool ?? false }
    public var hostIPC: Bool { spec["hostIPC"].bool ?? false }
    public var shareProcessNamespace: Bool { spec["shareProcessNamespace"].bool ?? false }
    public var serviceAccountName: String { spec["serviceAccountName"].string.nonEmpty ?? "default" }
    /// Larger is more important.
    public var priority: Int { spec["priority"].int ?? 0 }
    /// `Guaranteed`, `Burstable` or `BestEffort`, as the API server found it; empty before.
    public var qosClass: String { status["qosClass"].stringValue }
    /// Seconds after its start at which the pod is stopped; nil for never.
    public var activeDeadlineSeconds: Int? { spec["activeDeadlineSeconds"].int }
    public var restartPolicy: String { spec["restartPolicy"].string ?? "Always" }
    public var schedulerName: String { spec["schedulerName"].string ?? "default-scheduler" }
    public var nodeSelector: [String: String] { spec["nodeSelector"].stringMap }
    public var tolerations: [JSON] { spec["tolerations"].items }
    public var terminationGracePeriodSeconds: Int {
        json["metadata"]["deletionGracePeriodSeconds"].int ?? spec["terminationGracePeriodSeconds"].int ?? 30
    }
    /// The pod has ended for good.
    public var isTerminal: Bool { phase == "Succeeded" || phase == "Failed" }
    public var isReady: Bool { condition("Ready")?["status"].string == "True" }
    /// Comes from a file of its node, not from the API server.
    public var isMirror: Bool { annotations["kubernetes.io/config.mirror"] != nil }

    /// The condition of that type.
    public func condition(_ type: String) -> JSON? { status["conditions"].items.first { $0["type"].string == type } }

    /// The condition of that type says True.
    public func isTrue(_ type: String) -> Bool { condition(type)?["status"].string == "True" }

    /// What the pod asks for: the larger of the sum of its containers and of each init container, plus overhead.
    /// Sidecars (init containers with restartPolicy Always) count with the containers. What the pod asks for as a whole
    /// (`spec.resources`) stands in place of the sum.
    public var requests: [String: Quantity] {
        var sum: [String: Quantity] = [:]
        for container in containers { Self.add(container.requests, to: &sum) }
        var sidecars: [String: Quantity] = [:]
        var largest: [String: Quantity] = [:]
        for container in initContainers {
            if container.isSidecar {
                Self.add(container.requests, to: &sidecars)
                Self.add(container.requests, to: &sum)
                Self.raise(&largest, to: sidecars)
            } else {
                var needed = sidecars
                Self.add(container.requests, to: &needed)
                Self.raise(&largest, to: needed)
            }
        }
        Self.raise(&sum, to: largest)
        for (name, value) in spec["resources"]["requests"].object ?? JSONObject() where Self.isPodLevel(name) {
            if let quantity = Quantity(value) { sum[name] = quantity }
        }
        for (name, value) in spec["overhead"].object ?? JSONObject() {
            if let quantity = Quantity(value) { Self.add([name: quantity], to: &sum) }
        }
        return sum
    }

    /// The host's ports that the pod takes, those of value 0 left out.
    public var hostPorts: [(ip: String, port: Int, protocol: String)] {
        (containers + initContainers.filter(\.isSidecar)).flatMap { container in
            container.ports.compactMap { port in
                guard let number = port["hostPort"].int, number > 0 else { return nil }
                return (port["hostIP"].string.nonEmpty ?? "0.0.0.0", number, port["protocol"].string ?? "TCP")
            }
        }
    }

    /// What may be asked for by a pod as a whole.
    private static func isPodLevel(_ name: String) -> Bool {
        name == "cpu" || name == "memory" || name.hasPrefix("hugepages-")
    }

    private static func add(_ amounts: [String: Quantity], to sum: inout [String: Quantity]) {
        for (name, amount) in amounts { sum[name] = sum[name].map { $0 + amount } ?? amount }
    }
    private static func raise(_ sum: inout [String: Quantity], to floor: [String: Quantity]) {
        for (name, amount) in floor { sum[name] = max(sum[name] ?? amount, amount) }
    }
}
