import KubeAPI

/// A pod's status as the API is told it. A function of what the node knows.
enum PodStatus {
    struct Input: Sendable {
        let pod: Pod
        let state: PodState
        /// From the plan: why containers wait.
        let waiting: [String: PodState.Waiting]
        let hostIPs: [String]
        /// What the API has.
        let known: JSON
        let now: Timestamp
    }

    /// Bytes of what containers say at their ends, shared out among all containers of a pod: a status must stay small
    /// (kubernetes pkg/kubelet/container, `MaxPodTerminationMessageLogLength`).
    private static let messageLimit = 12 << 10

    static func make(_ input: Input) -> JSON {
        let pod = input.pod
        let state = input.state
        // Refused before anything was made of it: its reason is all there is to say.
        if let failure = state.failure, state.startTime == nil {
            return [
                "phase": "Failed", "reason": .string(failure.reason), "message": .string(failure.message),
                "qosClass": .string(pod.qosClass.isEmpty ? pod.computedQOSClass : pod.qosClass),
            ]
        }
        let hasEnded = (state.leaving != nil || state.isFinal || state.failure != nil) && !state.hasLiveContainers
        var statuses: [String: ContainerStatus] = [:]
        let isInitialized = isInitialized(pod, state)
        for container in pod.allContainers {
            statuses[container.name] = status(
                container, input, isInitialized: isInitialized, hasEnded: hasEnded && isInitialized)
        }
        let ended = hasEnded && (state.isFinal || state.leaving != nil)
        let phase = state.failure != nil ? "Failed" : PodPhase.of(pod, statuses: statuses, hasEnded: ended)
        var hasNetwork = false
        if case .ready(let info) = state.sandbox { hasNetwork = pod.hostNetwork || info.address != nil }

        var status: JSON = .emptyObject
        if pod.json.generation > 0 { status["observedGeneration"] = .int(Int64(pod.json.generation)) }
        status["phase"] = .string(phase)
        status["conditions"] = .array(
            PodConditions.make(
                pod: pod, phase: phase, statuses: statuses, known: input.known["conditions"].items,
                hasNetwork: hasNetwork, now: input.now))
        if let failure = state.failure {
            status["reason"] = .string(failure.reason)
            status["message"] = .string(failure.message)
        }
        if let address = input.hostIPs.first {
            status["hostIP"] = .string(address)
            status["hostIPs"] = .array(input.hostIPs.map { ["ip": .string($0)] })
        }
        if let address = state.podIPs.first {
            status["podIP"] = .string(address)
            status["podIPs"] = .array(state.podIPs.map { ["ip": .string($0)] })
        }
        status["startTime"] = JSON(state.startTime?.rfc3339)
        if !pod.initContainers.isEmpty {
            status["initContainerStatuses"] = .array(pod.initContainers.compactMap { statuses[$0.name]?.json })
        }
        // By name, as Kubernetes sorts them.
        status["containerStatuses"] = .array(
            pod.containers.map(\.name).sorted().compactMap { statuses[$0]?.json })
        if !pod.ephemeralContainers.isEmpty {
            status["ephemeralContainerStatuses"] = .array(
                pod.ephemeralContainers.compactMap { statuses[$0.name]?.json })
        }
        status["qosClass"] = .string(pod.qosClass.isEmpty ? pod.computedQOSClass : pod.qosClass)
        return status
    }

    /// Whether the init containers are through, or were.
    private static func isInitialized(_ pod: Pod, _ state: PodState) -> Bool {
        if pod.containers.contains(where: { state.run(of: $0.name)?.sandboxNumber == state.sandboxNumber }) {
            return true
        }
        return pod.initContainers.allSatisfy { container in
            guard let run = state.run(of: container.name) else { return false }
            return container.isSidecar ? state.isStarted(container) : run.end?.exitCode == 0
        }
    }

    // MARK: containers

    private static func status(_ container: Container, _ input: Input, isInitialized: Bool, hasEnded: Bool)
        -> ContainerStatus
    {
        let known = input.state.containers[container.name] ?? ContainerState()
        let limit = messageLimit / max(1, input.pod.allContainers.count)
        func terminated(_ run: ContainerRun) -> JSON? { Self.terminated(run, messageLimit: limit) }
        // Nobody waits for one of these.
        let isEphemeral = input.pod.isEphemeral(container.name)
        let isPlainInit = input.pod.isInitContainer(container.name) && !container.isSidecar
        var state: JSON
        var last: JSON = .emptyObject
        var isReady = false
        var isStarted = false
        var shown = known.current
        if let run = known.current {
            last = known.previous.flatMap { terminated($0) } ?? .emptyObject
            switch run.state {
            case .running where known.postStart == .running:
                // It runs once its hook is through.
                if known.previous == nil { shown = nil }
                state = json(PodState.Waiting(reason: "ContainerCreating"))
            case .running:
                state = ["running": ["startedAt": JSON(run.startedAt?.rfc3339)]]
                isStarted = input.state.isStarted(container)
                // Others wait for its end.
                isReady = !isPlainInit && !isEphemeral && input.state.isReady(container)
            case .ended(let end):
                if let waiting = input.waiting[container.name] {
                    state = json(waiting)
                    last = terminated(run) ?? last
                } else {
                    state = terminated(run) ?? .emptyObject
                    isReady = isPlainInit && end.exitCode == 0
                }
            }
        } else {
            shown = known.previous
            last = known.previous.flatMap { terminated($0) } ?? .emptyObject
            if hasEnded {
                state = [
                    "terminated": [
                        "exitCode": 137, "reason": "ContainerStatusUnknown",
                        "message": "The container could not be located when the pod was terminated", "startedAt": .null,
                        "finishedAt": .null,
                    ]
                ]
            } else {
                let isMain = !input.pod.isInitContainer(container.name)
                let initial =
                    !isEphemeral && !input.pod.initContainers.isEmpty && (isMain ? !isInitialized : true)
                    ? "PodInitializing" : "ContainerCreating"
                state = json(input.waiting[container.name] ?? PodState.Waiting(reason: initial))
            }
        }
        var json: JSON = ["name": .string(container.name), "state": state]
        json["lastState"] = last
        json["ready"] = .bool(isReady)
        json["restartCount"] = .int(Int64(known.restartCount))
        json["image"] = .string(shown?.imageName.nonEmpty ?? container.image)
        json["imageID"] = .string(shown?.imageID ?? "")
        if let id = shown?.id, !id.isEmpty { json["containerID"] = .string("swiftlet://\(id)") }
        json["started"] = .bool(isStarted)
        return ContainerStatus(json)
    }

    private static func json(_ waiting: PodState.Waiting) -> JSON {
        var body: JSON = ["reason": .string(waiting.reason)]
        if !waiting.message.isEmpty { body["message"] = .string(waiting.message) }
        return ["waiting": body]
    }

    private static func terminated(_ run: ContainerRun, messageLimit: Int) -> JSON? {
        guard let end = run.end else { return nil }
        var body: JSON = ["exitCode": .int(Int64(end.exitCode))]
        if !end.reason.isEmpty { body["reason"] = .string(end.reason) }
        if !end.message.isEmpty { body["message"] = .string(end.message.prefix(bytes: messageLimit)) }
        body["startedAt"] = JSON(end.startedAt?.rfc3339)
        body["finishedAt"] = .string(end.finishedAt.rfc3339)
        if !run.id.isEmpty { body["containerID"] = .string("swiftlet://\(run.id)") }
        return ["terminated": body]
    }
}
