import KubeAPI

/// A pod as its worker last saw it: what the node API, admission and others look at.
struct PodSnapshot: Sendable {
    var pod: Pod
    var state: PodState
    var timings: PodStartTimings
    private let source: Source

    /// A status is made when it is asked for: most passes of a worker are of no interest to anybody.
    private enum Source {
        case made(JSON)
        case input(PodStatus.Input)
    }

    init(pod: Pod, state: PodState, status: JSON, timings: PodStartTimings) {
        self.pod = pod
        self.state = state
        self.timings = timings
        source = .made(status)
    }

    init(_ input: PodStatus.Input, timings: PodStartTimings) {
        pod = input.pod
        state = input.state
        self.timings = timings
        source = .input(input)
    }

    /// What the API is told, or will be.
    var status: JSON {
        switch source {
        case .made(let status): status
        case .input(let input): PodStatus.make(input)
        }
    }

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
