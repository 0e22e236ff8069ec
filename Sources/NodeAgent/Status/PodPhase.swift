import KubeAPI

/// `status.phase`, by the rules of the kubelet (`getPhase`), of the statuses of a pod's containers.
enum PodPhase {
    /// - Parameter hasEnded: the pod is to run no more, and nothing of it runs.
    static func of(_ pod: Pod, statuses: [String: ContainerStatus], hasEnded: Bool) -> String {
        var isInitializing = false
        var hasFailedInit = false
        for container in pod.plainInitContainers {
            guard let status = statuses[container.name] else {
                isInitializing = true
                continue
            }
            if let terminated = status.terminated {
                if terminated["exitCode"].int != 0 { hasFailedInit = true }
            } else if !status.isRunning, let last = status.lastTerminated {
                if last["exitCode"].int != 0 { hasFailedInit = true }
            } else {
                isInitializing = true
            }
        }

        var unknown = 0
        var running = 0
        var waiting = 0
        var stopped = 0
        var succeeded = 0
        for container in pod.containers {
            guard let status = statuses[container.name] else {
                unknown += 1
                continue
            }
            if status.isRunning {
                running += 1
            } else if let terminated = status.terminated {
                stopped += 1
                if terminated["exitCode"].int == 0 { succeeded += 1 }
            } else if status.lastTerminated != nil {
                stopped += 1
            } else {
                waiting += 1
            }
        }

        if hasFailedInit, pod.restartPolicy == "Never" { return "Failed" }
        if hasEnded {
            // Whatever it was: it runs no more.
            return !pod.containers.isEmpty && stopped == succeeded && stopped == pod.containers.count
                ? "Succeeded" : "Failed"
        }
        if isInitializing || hasFailedInit {
            return running > 0 && unknown == 0 && waiting == 0 ? "Running" : "Pending"
        }
        if waiting > 0 { return "Pending" }
        if running > 0, unknown == 0 { return "Running" }
        if running == 0, stopped > 0, unknown == 0 {
            // Sidecars serve to the end, and the end is theirs.
            let hasSidecars = pod.sidecars.contains { statuses[$0.name]?.isRunning == true }
            if pod.restartPolicy == "Always" || hasSidecars { return "Running" }
            if stopped == succeeded { return "Succeeded" }
            return pod.restartPolicy == "Never" ? "Failed" : "Running"
        }
        return "Pending"
    }
}
