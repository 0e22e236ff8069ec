import KubeAPI
import Kernel

extension Sandbox {
    /// Reads the counters of the pod's cgroups and link.
    func usage() async throws(RuntimeError) -> PodUsage {
        let (address, running) = state.withLock { state in
            let running = state.containers.values.filter { $0.state == .running }.map(\.record.id)
            return (state.record.address.flatMap { IPAddress($0) }, running)
        }
        let cgroup = self.cgroup
        return await context.workers.run { [context] in
            let traffic = address.flatMap { context.network.traffic($0) }
            var containers: [String: UsageReading] = [:]
            for id in running { containers[id] = UsageReading(context.cgroups.usage(cgroup + "/" + id)) }
            return PodUsage(
                pod: UsageReading(context.cgroups.usage(cgroup)), containers: containers,
                traffic: traffic)
        }
    }
}

extension UsageReading {
    init(_ usage: CgroupUsage) {
        self.init(
            cpuNanos: usage.cpuNanos,
            workingSetBytes: usage.memoryBytes - min(usage.memoryBytes, usage.inactiveFileBytes),
            memoryUsageBytes: usage.memoryBytes, rssBytes: usage.rssBytes, pids: usage.pids,
            cacheBytes: usage.cacheBytes, pageFaults: usage.pageFaults, majorPageFaults: usage.majorPageFaults,
            quotaPeriods: usage.quotaPeriods, throttledPeriods: usage.throttledPeriods,
            throttledNanos: usage.throttledNanos)
    }
}
