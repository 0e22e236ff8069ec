/// The columns of pods, whose STATUS tells what a person would want to know first.
enum PodColumns {
    static let all: [TableColumn] = [
        .name,
        .text("Ready") { pod in
            let summary = PodSummary(pod)
            return "\(summary.readyContainers)/\(summary.totalContainers)"
        },
        .text("Status") { PodSummary($0).reason },
        TableColumn("Restarts") { pod, now in
            let summary = PodSummary(pod)
            guard summary.restarts != 0, let last = summary.lastRestart else {
                return .string(String(summary.restarts))
            }
            return .string("\(summary.restarts) (\((now - last).humanDescription) ago)")
        },
        .age,
        .text("IP", priority: 1) { pod in
            let status = pod["status"]
            return (status["podIPs"][0]["ip"].string.nonEmpty ?? status["podIP"].string.nonEmpty) ?? "<none>"
        },
        .text("Node", priority: 1) { $0["spec"]["nodeName"].cell("<none>") },
        .text("Nominated Node", priority: 1) { $0["status"]["nominatedNodeName"].cell("<none>") },
        .text("Readiness Gates", priority: 1, readinessGates),
    ]

    @Sendable private static func readinessGates(_ pod: JSON) -> String {
        let gates = pod["spec"]["readinessGates"].items
        guard !gates.isEmpty else { return "<none>" }
        let conditions = pod["status"]["conditions"].items
        let met = gates.filter { gate in
            conditions.first { $0["type"] == gate["conditionType"] }?["status"].string == "True"
        }
        return "\(met.count)/\(gates.count)"
    }
}

/// What a pod's row says, by the rules of Kubernetes' printer.
struct PodSummary {
    private(set) var reason: String
    private(set) var readyContainers = 0
    private(set) var totalContainers: Int
    private(set) var restarts = 0
    /// When a container was last restarted.
    private(set) var lastRestart: Timestamp?

    init(_ pod: JSON) {
        let spec = pod["spec"]
        let status = pod["status"]
        let phase = status["phase"].stringValue
        reason = status["reason"].string.nonEmpty ?? phase
        let conditions = status["conditions"].items
        if conditions.contains(where: {
            $0["type"].string == "PodScheduled" && $0["reason"].string == "SchedulingGated"
        }) {
            reason = "SchedulingGated"
        }
        let sidecars = Set(
            spec["initContainers"].items.lazy.filter { $0["restartPolicy"].string == "Always" }
                .map { $0["name"].stringValue })
        totalContainers = spec["containers"].items.count + sidecars.count

        var sidecarRestarts = RestartCount()
        var allRestarts = RestartCount()
        let isInitializing = readInitContainers(pod, sidecars, &allRestarts, &sidecarRestarts)
        if !isInitializing || Self.isTrue("Initialized", conditions) {
            // Once they are through, init containers' restarts are history; those of sidecars count.
            allRestarts = sidecarRestarts
            readContainers(status, conditions, &allRestarts)
        }
        restarts = allRestarts.count
        lastRestart = allRestarts.last
        guard pod.isDeleting else { return }
        if status["reason"].string == "NodeLost" {
            reason = "Unknown"
        } else if phase != "Succeeded", phase != "Failed" {
            reason = "Terminating"
        }
    }

    private struct RestartCount {
        var count = 0
        var last: Timestamp?

        mutating func add(_ container: JSON) {
            // A count that overflows is none that we wrote.
            count = count.addingReportingOverflow(container["restartCount"].int ?? 0).partialValue
            if let time = Timestamp(container["lastState"]["terminated"]["finishedAt"]) {
                last = max(last ?? time, time)
            }
        }
    }

    /// - Returns: whether an init container is still to end well.
    private mutating func readInitContainers(
        _ pod: JSON, _ sidecars: Set<String>, _ all: inout RestartCount, _ ofSidecars: inout RestartCount
    ) -> Bool {
        for (index, container) in pod["status"]["initContainerStatuses"].items.enumerated() {
            let isSidecar = sidecars.contains(container["name"].stringValue)
            all.add(container)
            if isSidecar { ofSidecars.add(container) }
            let terminated = container["state"]["terminated"]
            if terminated.isObject, (terminated["exitCode"].int ?? 0) == 0 { continue }
            if isSidecar, container["started"].bool == true {
                if container["ready"].bool == true { readyContainers += 1 }
                continue
            }
            let waiting = container["state"]["waiting"]["reason"].stringValue
            if terminated.isObject {
                reason = "Init:" + Self.ended(terminated)
            } else if !waiting.isEmpty, waiting != "PodInitializing" {
                reason = "Init:" + waiting
            } else {
                reason = "Init:\(index)/\(pod["spec"]["initContainers"].items.count)"
            }
            return true
        }
        return false
    }

    private mutating func readContainers(_ status: JSON, _ conditions: [JSON], _ restarts: inout RestartCount) {
        var hasRunning = false
        for container in status["containerStatuses"].items.reversed() {
            restarts.add(container)
            let state = container["state"]
            if let waiting = state["waiting"]["reason"].string.nonEmpty {
                reason = waiting
            } else if state["terminated"].isObject {
                reason = Self.ended(state["terminated"])
            } else if container["ready"].bool == true, state["running"].isObject {
                hasRunning = true
                readyContainers += 1
            }
        }
        // One that runs on outweighs those that have ended well.
        if reason == "Completed", hasRunning { reason = Self.isTrue("Ready", conditions) ? "Running" : "NotReady" }
    }

    private static func ended(_ terminated: JSON) -> String {
        if let reason = terminated["reason"].string.nonEmpty { return reason }
        let signal = terminated["signal"].int ?? 0
        return signal != 0 ? "Signal:\(signal)" : "ExitCode:\(terminated["exitCode"].int ?? 0)"
    }

    private static func isTrue(_ type: String, _ conditions: [JSON]) -> Bool {
        conditions.contains { $0["type"].string == type && $0["status"].string == "True" }
    }
}
