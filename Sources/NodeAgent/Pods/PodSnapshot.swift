import KubeAPI

/// A pod as its worker last saw it: what the node API, admission and others look at.
struct PodSnapshot: Sendable {
    var pod: Pod
    var state: PodState
    var status: JSON
    var timings: PodStartTimings

    /// What the status says of the container of that name, of whatever kind it is.
    func containerStatus(_ name: String) -> ContainerStatus? {
        let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
        return lists.lazy.flatMap { status[$0].items }.first { $0["name"].string == name }.map(ContainerStatus.init)
    }

    /// It has ended and holds nothing of the node any more.
    var isTerminal: Bool {
        state.isFinal && !state.hasLiveContainers || state.failure != nil && !state.hasLiveContainers
    }
}
