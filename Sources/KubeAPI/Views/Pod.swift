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
    public var hostNetwork: Bool { spec["hostNetwork"].bool ?? false }
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

    /// What the pod asks for: the larger of the sum of its containers and of each init container, plus overhead.
    /// Sidecars (init containers with restartPolicy Always) count with the containers.
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

    private static func add(_ amounts: [String: Quantity], to sum: inout [String: Quantity]) {
        for (name, amount) in amounts { sum[name] = sum[name].map { $0 + amount } ?? amount }
    }
    private static func raise(_ sum: inout [String: Quantity], to floor: [String: Quantity]) {
        for (name, amount) in floor { sum[name] = max(sum[name] ?? amount, amount) }
    }
}

/// A container of a pod.
public struct Container: Sendable {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var name: String { json["name"].stringValue }
    public var image: String { json["image"].stringValue }
    public var command: [String] { json["command"].items.compactMap(\.string) }
    public var args: [String] { json["args"].items.compactMap(\.string) }
    public var ports: [JSON] { json["ports"].items }
    public var env: [JSON] { json["env"].items }
    public var volumeMounts: [JSON] { json["volumeMounts"].items }
    public var imagePullPolicy: String { json["imagePullPolicy"].string ?? "IfNotPresent" }
    /// An init container that runs beside the others (restartPolicy Always).
    public var isSidecar: Bool { json["restartPolicy"].string == "Always" }
    public var requests: [String: Quantity] { Self.quantities(json["resources"]["requests"]) }
    public var limits: [String: Quantity] { Self.quantities(json["resources"]["limits"]) }

    private static func quantities(_ map: JSON) -> [String: Quantity] {
        var result: [String: Quantity] = [:]
        for (name, value) in map.object ?? JSONObject() { result[name] = Quantity(value) }
        return result
    }
}

/// What is known of a container.
public struct ContainerStatus: Sendable {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var name: String { json["name"].stringValue }
    public var isReady: Bool { json["ready"].bool ?? false }
    public var restartCount: Int { json["restartCount"].int ?? 0 }
    public var containerID: String { json["containerID"].stringValue }
    public var state: JSON { json["state"] }
}
