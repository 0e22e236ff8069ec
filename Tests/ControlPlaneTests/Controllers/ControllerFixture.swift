import KubeAPI
import Testing

@testable import ControlPlane

/// Controllers at work on a server. They end with it.
final class RunningControllers: Sendable {
    let server: TestServer
    private let task: Task<Void, Never>

    /// `make` gives the controllers that are to run.
    init(
        _ server: TestServer, _ make: (InProcessClient, SharedInformers, EventRecorder) throws -> [any Controller]
    ) async throws {
        self.server = server
        let client = server.admin
        let informers = SharedInformers(client: client, log: quiet)
        let controllers = try make(client, informers, EventRecorder(client: client, component: "test"))
        task = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await informers.run() }
                for controller in controllers { group.addTask { await controller.run() } }
                await group.waitForAll()
            }
        }
    }

    deinit { task.cancel() }

    /// Ends them, as a restart would.
    func stop() async {
        task.cancel()
        await task.value
    }

    var admin: InProcessClient { server.admin }

    func list(_ resource: ResourcePath, _ namespace: String? = "default") async throws -> [JSON] {
        try await admin.list(resource, namespace: namespace)["items"].items
    }

    func get(_ resource: ResourcePath, _ name: String) async throws -> JSON? {
        do {
            return try await admin.get(resource, namespace: resource.isNamespaced ? "default" : nil, name: name)
        } catch let error as StatusError where error.isNotFound {
            return nil
        }
    }

    func pods(_ labels: [String: String] = [:]) async throws -> [Pod] {
        try await list(.pods).map(Pod.init).filter { pod in labels.allSatisfy { pod.labels[$0.key] == $0.value } }
    }

    @discardableResult
    func createPod(_ pod: JSON) async throws -> JSON { try await admin.create(.pods, namespace: "default", pod) }

    /// Reports the pod as its kubelet would: running with that address, and ready or not.
    func report(_ name: String, ip: String, ready: Bool, on node: String = "a") async throws {
        var pod = try await admin.get(.pods, namespace: "default", name: name)
        if pod["spec"]["nodeName"].isNull {
            try await admin.create(
                .pods, namespace: "default", name: name, subresource: "binding",
                ["metadata": ["name": .string(name)], "target": ["kind": "Node", "name": .string(node)]])
            pod = try await admin.get(.pods, namespace: "default", name: name)
        }
        pod["status"] = [
            "phase": "Running", "podIP": .string(ip), "podIPs": [["ip": .string(ip)]],
            "conditions": [
                [
                    "type": "Ready", "status": ready ? "True" : "False",
                    "lastTransitionTime": .string(Timestamp.now().rfc3339),
                ]
            ],
        ]
        try await admin.update(.pods, subresource: "status", pod)
    }

    /// What a kubelet does in one round: pods that are not on their way out become ready, the others go.
    func playKubelet(ready: (Pod) -> Bool = { _ in true }) async throws {
        for pod in try await pods() {
            do {
                if pod.isDeleting {
                    try await deleteNow(.pods, pod.name)
                } else if !pod.isTerminal, pod.isReady != ready(pod) || pod.nodeName.isEmpty {
                    try await report(pod.name, ip: "10.0.0.1", ready: ready(pod))
                }
            } catch let error as StatusError where error.isNotFound || error.isConflict {
                continue  // a controller was faster
            }
        }
    }

    func deleteNow(_ resource: ResourcePath, _ name: String, policy: String? = nil) async throws {
        var options: JSON = ["gracePeriodSeconds": 0]
        options["propagationPolicy"] = JSON(policy)
        try await admin.delete(
            resource, namespace: resource.isNamespaced ? "default" : nil, name: name, options: options)
    }

    func events(_ reason: String) async throws -> [JSON] {
        try await list(.events).filter { $0["reason"].string == reason }
    }
}
