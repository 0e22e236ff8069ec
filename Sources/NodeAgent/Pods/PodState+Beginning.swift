import KubeAPI

/// Where the state of a pod begins: with nothing, with what an earlier kubelet has left, or with what the API was told.
extension PodState {
    /// What `recover()` found.
    init(recovered sandbox: RecoveredSandbox, history: PodHistory?, now: Instant, time: Timestamp) {
        self.init()
        if let history { self.apply(history, now: now, time: time) }
        startTime = startTime ?? Timestamp(sandbox.spec.annotation["startTime"]) ?? sandbox.info.createdAt
        sandboxNumber = sandbox.spec.annotation["sandboxNumber"].int ?? 0
        self.sandbox = sandbox.isAlive ? .ready(sandbox.info) : .dead
        if sandbox.info.address != nil { podIPs = sandbox.info.addresses }
        let byName = Dictionary(grouping: sandbox.containers, by: \.name)
        for (name, infos) in byName {
            var runs = infos.sorted { $0.attempt > $1.attempt }.map { info in
                var run = ContainerRun(info)
                run.sandboxNumber = sandboxNumber
                return run
            }
            var container = containers[name] ?? ContainerState()
            // A start that failed after the last one that the runtime knows.
            if let failed = container.current, failed.attempt > (runs.first?.attempt ?? -1) {
                runs.insert(failed, at: 0)
            }
            guard let current = runs.first else { continue }
            container.current = current
            container.previous =
                runs.dropFirst().first ?? container.previous.flatMap { $0.attempt < current.attempt ? $0 : nil }
            container.endedAt = current.end.map { now - max(.zero, time - $0.finishedAt) }
            containers[name] = container
        }
    }

    /// A pod of which the runtime knows nothing.
    init(history: PodHistory?, pod: Pod, now: Instant, time: Timestamp) {
        self.init()
        if let history {
            apply(history, now: now, time: time)
        } else {
            // It ran here once, and nothing is left (an emptied data folder): what the API was told is the best memory.
            for status in pod.containerStatuses + pod.initContainerStatuses {
                let image = pod.container(status.name)?.image ?? ""
                guard let run = ContainerRun(status: status, image: image, now: time) else { continue }
                var container = ContainerState()
                container.current = run
                container.previous = ContainerRun(status: status, image: image, isPrevious: true, now: time)
                container.endedAt = run.end.map { now - max(.zero, time - $0.finishedAt) }
                containers[status.name] = container
            }
            if !containers.isEmpty { sandboxNumber = 1 }
            startTime = Timestamp(pod.status["startTime"])
            podIPs = pod.podIPs
        }
        if pod.isTerminal { isFinal = true }
    }

    private mutating func apply(_ history: PodHistory, now: Instant, time: Timestamp) {
        startTime = history.startTime
        podIPs = history.podIPs
        isFinal = history.isFinal
        sandboxNumber = history.sandboxNumber + 1
        for (name, runs) in history.containers {
            var container = ContainerState()
            container.current = runs.current
            container.previous = runs.previous
            container.endedAt = runs.current?.end.map { now - max(.zero, time - $0.finishedAt) }
            containers[name] = container
        }
    }

    /// Containers that the runtime keeps and nobody needs: all but the newest two of each name.
    static func superfluous(_ infos: [ContainerInfo]) -> [ContainerInfo] {
        Dictionary(grouping: infos, by: \.name).values.flatMap { infos in
            infos.sorted { $0.attempt > $1.attempt }.dropFirst(2)
        }
    }
}
