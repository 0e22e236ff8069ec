import KubeAPI

/// Requests and limits as the runtime takes them: per container, and for the pod as a whole.
enum PodResources {
    static func limits(of container: Container) -> ResourceLimits {
        let requests = container.requests
        let limits = container.limits
        // A container that asks for nothing gets the least share, not the kernel's default.
        return ResourceLimits(
            cpuRequestMilli: Int(clamping: (requests["cpu"] ?? limits["cpu"])?.milliValue ?? 0),
            cpuLimitMilli: limits["cpu"].flatMap { $0.isZero ? nil : Int(clamping: $0.milliValue) },
            memoryLimitBytes: limits["memory"].flatMap { $0.isZero ? nil : $0.value })
    }

    /// The pod's cgroup holds what its containers may have together: a limit only where each of them has one
    /// (kubernetes pkg/kubelet/cm, `ResourceConfigForPod`).
    static func limits(of pod: Pod) -> ResourceLimits {
        let requests = pod.requests
        let each = pod.containers + pod.sidecars
        func limit(_ resource: String) -> Quantity? {
            if let whole = Quantity(pod.spec["resources"]["limits"][resource]) { return whole }
            guard !each.isEmpty, each.allSatisfy({ $0.limits[resource]?.isZero == false }) else { return nil }
            var sum = each.compactMap { $0.limits[resource] }.reduce(.zero, +)
            for container in pod.plainInitContainers {
                guard let own = container.limits[resource], !own.isZero else { return nil }
                sum = max(sum, own)
            }
            return sum
        }
        return ResourceLimits(
            cpuRequestMilli: Int(clamping: requests["cpu"]?.milliValue ?? 0),
            cpuLimitMilli: limit("cpu").map { Int(clamping: $0.milliValue) },
            memoryLimitBytes: limit("memory")?.value)
    }

    /// Which processes the kernel kills first when memory runs out (kubernetes pkg/kubelet/qos).
    static func oomScore(pod: Pod, container: Container, memoryCapacity: Int64) -> Int {
        if pod.isNodeCritical { return -997 }
        switch pod.qos {
        case .guaranteed: return -997
        case .besteffort: return 1000
        case .burstable:
            let request = Double((container.requests["memory"] ?? container.limits["memory"])?.value ?? 0)
            let score = 1000 - Int(1000 * request / Double(max(memoryCapacity, 1)))
            // Between the other classes, whatever was asked for.
            return min(max(score, 3), 999)
        }
    }
}
