/// The columns of pods, whose STATUS tells what a person would want to know first.
enum PodColumns {
    static let all: [TableColumn] = [
        .name,
        .text("Ready") { pod in "\(summary(pod).ready)/\(summary(pod).total)" },
        .text("Status") { summary($0).reason },
        TableColumn("Restarts") { pod, now in .string(restarts(pod, now)) },
        .age,
        .text("IP", priority: 1) { $0["status"]["podIP"].string.nonEmpty ?? "<none>" },
        .text("Node", priority: 1) { $0["spec"]["nodeName"].string.nonEmpty ?? "<none>" },
        .text("Nominated Node", priority: 1) { $0["status"]["nominatedNodeName"].string.nonEmpty ?? "<none>" },
        .text("Readiness Gates", priority: 1) { pod in
            let gates = pod["spec"]["readinessGates"].items
            guard !gates.isEmpty else { return "<none>" }
            let met = gates.filter { gate in
                pod["status"]["conditions"].items.contains {
                    $0["type"] == gate["conditionType"] && $0["status"].string == "True"
                }
            }
            return "\(met.count)/\(gates.count)"
        },
    ]

    struct Summary {
        var ready = 0
        var total = 0
        var reason = ""
    }

    static func summary(_ pod: JSON) -> Summary {
        let status = pod["status"]
        var summary = Summary()
        let sidecars = pod["spec"]["initContainers"].items.filter { $0["restartPolicy"].string == "Always" }
        let sidecarNames = Set(sidecars.map { $0["name"].stringValue })
        summary.total = pod["spec"]["containers"].items.count + sidecars.count
        summary.reason = status["reason"].string.nonEmpty ?? status["phase"].stringValue
        if status["conditions"].items.contains(where: {
            $0["type"].string == "PodScheduled" && $0["reason"].string == "SchedulingGated"
        }) {
            summary.reason = "SchedulingGated"
        }
        var isInitializing = false
        for (index, container) in status["initContainerStatuses"].items.enumerated() {
            let isSidecar = sidecarNames.contains(container["name"].stringValue)
            if isSidecar, container["ready"].bool == true { summary.ready += 1 }
            let state = container["state"]
            if state["terminated"].isObject, state["terminated"]["exitCode"].int == 0 { continue }
            if isSidecar, container["started"].bool == true { continue }
            if state["terminated"].isObject {
                summary.reason = "Init:" + ended(state["terminated"])
            } else if let waiting = state["waiting"]["reason"].string.nonEmpty, waiting != "PodInitializing" {
                summary.reason = "Init:" + waiting
            } else {
                summary.reason = "Init:\(index)/\(pod["spec"]["initContainers"].items.count)"
            }
            isInitializing = true
            break
        }
        let isInitialized = status["conditions"].items.contains {
            $0["type"].string == "Initialized" && $0["status"].string == "True"
        }
        if !isInitializing || isInitialized {
            var hasRunning = false
            for container in status["containerStatuses"].items.reversed() {
                let state = container["state"]
                if let waiting = state["waiting"]["reason"].string.nonEmpty {
                    summary.reason = waiting
                } else if state["terminated"].isObject {
                    summary.reason = ended(state["terminated"])
                } else if container["ready"].bool == true, state["running"].isObject {
                    hasRunning = true
                    summary.ready += 1
                }
            }
            if summary.reason == "Completed", hasRunning {
                let isReady = status["conditions"].items.contains {
                    $0["type"].string == "Ready" && $0["status"].string == "True"
                }
                summary.reason = isReady ? "Running" : "NotReady"
            }
        }
        if pod.isDeleting {
            summary.reason =
                status["reason"].string == "NodeLost"
                ? "Unknown"
                : ["Succeeded", "Failed"].contains(status["phase"].stringValue) ? summary.reason : "Terminating"
        }
        return summary
    }

    private static func ended(_ terminated: JSON) -> String {
        if let reason = terminated["reason"].string.nonEmpty { return reason }
        let signal = terminated["signal"].int ?? 0
        return signal != 0 ? "Signal:\(signal)" : "ExitCode:\(terminated["exitCode"].int ?? 0)"
    }

    /// `3 (2m ago)`: how often, and when last.
    private static func restarts(_ pod: JSON, _ now: Timestamp) -> String {
        var count = 0
        var last: Timestamp?
        for container in pod["status"]["containerStatuses"].items + pod["status"]["initContainerStatuses"].items {
            count += container["restartCount"].int ?? 0
            if let text = container["lastState"]["terminated"]["finishedAt"].string, let time = Timestamp(rfc3339: text) {
                last = max(last ?? time, time)
            }
        }
        guard count > 0, let last else { return String(count) }
        return "\(count) (\(HumanDuration.text(seconds: Int((now.unixNanos - last.unixNanos) / 1_000_000_000))) ago)"
    }
}

extension Optional where Wrapped == String {
    /// Nil for the empty string too.
    var nonEmpty: String? { flatMap { $0.isEmpty ? nil : $0 } }
}
