import KubeAPI

/// What is to be done for a pod now. A function of the pod and its state: no clock, no I/O.
///
/// Follows the kubelet of Kubernetes (`computePodActions`) in what is started, restarted and killed when.
struct PodPlan: Equatable {
    enum Action: Equatable {
        case createSandbox
        /// Of a pod that has ended or leaves, or of a dead one that is made anew.
        case removeSandbox
        case prepareVolumes
        case removeVolumes
        case findImage(String)
        case start(String)
        /// Runs its preStop hook, before it is stopped.
        case preStop(String, graceSeconds: Int, why: StopReason)
        case stop(String, graceSeconds: Int, why: StopReason)
        /// Everything on the disk: volumes, logs, state.
        case cleanUp
    }
    enum StopReason: Sendable, Equatable {
        case podEnds
        case imageChanged
        case failedProbe(ProbeKind)
        case failedPostStart
    }

    var actions: [Action] = []
    /// Why containers that should run do not.
    var waiting: [String: PodState.Waiting] = [:]
    /// When something is due that no message will tell.
    var wakeAt: PodState.Instant?
    /// The pod has run longer than it may.
    var exceedsDeadline = false
    /// Nothing will be started any more.
    var isFinal = false
    /// Nothing of a leaving pod is left on the node.
    var isGone = false

    struct Input {
        let pod: Pod
        let state: PodState
        /// Pods get addresses.
        let isNetworkReady: Bool
        let now: PodState.Instant
        let time: Timestamp
    }

    static func make(_ input: Input) -> PodPlan {
        var maker = PlanMaker(input: input)
        maker.make()
        return maker.plan
    }
}
