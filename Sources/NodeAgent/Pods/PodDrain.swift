import KubeAPI

/// What happens before a container of a deleted pod is told to end: the service proxy of this node lets go of the pod.
struct PodDrain: Sendable {
    private let drain: (any EndpointDrain)?
    private let limit: Duration
    private let podUID: String
    private let addresses: [String]
    private let graceSeconds: Int

    /// Only a pod that is being deleted leaves its services first, and only one that has time for it.
    init(_ config: KubeletConfig, _ pod: Pod, addresses: [String], graceSeconds: Int) {
        drain = pod.isDeleting && graceSeconds > 0 ? config.endpointDrain : nil
        limit = config.endpointDrainLimit
        podUID = pod.uid
        // A pod on the host's network shares its address: connections to it say nothing about the pod.
        self.addresses = pod.hostNetwork ? [] : addresses
        self.graceSeconds = graceSeconds
    }

    /// Returns the seconds that are left of the grace period, which the wait counts towards.
    func wait() async -> Int {
        guard let drain else { return graceSeconds }
        let start = ContinuousClock.now
        await drain.drain(
            podUID: podUID, addresses: addresses, limit: min(limit, .milliseconds(500 * graceSeconds)))
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        return max(1, graceSeconds - Int(seconds.rounded()))
    }
}
