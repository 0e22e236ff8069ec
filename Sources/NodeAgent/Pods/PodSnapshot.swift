import KubeAPI

/// A pod as its worker last saw it: what the node API, admission and others look at.
struct PodSnapshot: Sendable {
    var pod: Pod
    var state: PodState
    var status: JSON
    var timings: PodStartTimings

    /// It has ended and holds nothing of the node any more.
    var isTerminal: Bool {
        state.isFinal && !state.hasLiveContainers || state.failure != nil && !state.hasLiveContainers
    }
}
