import KubeAPI

/// What the node knows of one pod and of what is under way for it: the input of `PodPlan` and `PodStatus`.
///
/// A value: the worker changes it by the messages that it gets, and everything that decides is a function of it.
struct PodState: Sendable, Equatable {
    typealias Instant = ContinuousClock.Instant

    enum Sandbox: Sendable, Equatable {
        case none
        case creating
        case ready(SandboxInfo)
        /// Its supervisor has died.
        case dead
        case removing
    }
    enum Volumes: Sendable, Equatable {
        case none
        case preparing
        /// The sources of the mounts, by the volume's name.
        case ready([String: PreparedVolume])
        case removing
    }

    var sandbox = Sandbox.none
    /// Of the sandbox that is there or is to come; grows with each.
    var sandboxNumber = 0
    /// Why there is none, and when another is tried.
    var sandboxProblem: Problem?
    var volumes = Volumes.none
    var volumesProblem: Problem?
    /// Files of volumes are being replaced by newer ones.
    var isRefreshingVolumes = false
    var containers: [String: ContainerState] = [:]

    /// The pod is to go.
    var leaving: Leaving?
    /// The pod has failed as a whole, and stays in the API.
    var failure: Failure?
    /// The pod has ended for good: nothing of it is started any more.
    var isFinal = false
    /// All files of a pod that leaves are gone.
    var isCleanedUp = false
    var isCleaningUp = false

    var startTime: Timestamp?
    /// The addresses that the pod has or had.
    var podIPs: [String] = []

    /// When and why something that failed is tried again.
    struct Problem: Sendable, Equatable {
        /// What the status says: `ErrImagePull`, `CreateContainerConfigError`; empty to say nothing.
        var reason: String
        var message: String
        /// Nil: when something changes.
        var retryAt: Instant?
        /// What the status says while it waits, from that moment on (`ImagePullBackOff`).
        var afterwards: Waiting?
        var afterwardsAt: Instant?
    }

    /// Why a container does not run: `state.waiting`.
    struct Waiting: Sendable, Equatable {
        var reason: String
        var message = ""
    }

    struct Leaving: Sendable, Equatable {
        /// For all of the pod, from `since`.
        var graceSeconds: Int
        var since: Instant
        /// The API still has the object, and waits for us to delete it.
        var isInAPI: Bool
    }

    struct Failure: Sendable, Equatable {
        var reason: String
        var message: String
        var graceSeconds = 30
        var since: Instant
    }

    /// Something is on its way to a first run: a status that is written now would be outdated in a moment.
    var isStarting: Bool {
        if sandbox == .creating || volumes == .preparing { return true }
        return containers.values.contains { $0.startingID != nil || $0.image == .looking }
    }

    /// It runs, its hook is through, and its startup probe has said yes where it has one.
    func isStarted(_ container: Container) -> Bool {
        guard let known = containers[container.name], known.current?.isRunning == true, known.postStart != .running
        else { return false }
        return container.probe(.startup) == nil || known.health[.startup] == true
    }

    /// It has started, and its readiness probe says yes where it has one.
    func isReady(_ container: Container) -> Bool {
        guard isStarted(container) else { return false }
        return container.probe(.readiness) == nil || containers[container.name]?.health[.readiness] == true
    }

    /// A container runs, or may do so in a moment.
    var hasLiveContainers: Bool {
        containers.values.contains { $0.startingID != nil || $0.current?.isRunning == true }
    }

    func run(of name: String) -> ContainerRun? { containers[name]?.current }
}

/// What is known of the container of one name.
struct ContainerState: Sendable, Equatable {
    enum ImageLookup: Sendable, Equatable {
        case none
        case looking
        /// It comes from a registry, which may take its time.
        case pulling
        case found(FoundImage)
    }

    /// A stop under way.
    struct Stop: Sendable, Equatable {
        var id: String
        /// When the process is killed at the latest.
        var deadline: ContinuousClock.Instant
    }

    /// The postStart hook of the current run.
    enum PostStart: Sendable, Equatable {
        /// There is none, or it has been.
        case done
        case running
        case failed
    }

    /// The preStop hook of a run that is to end.
    struct PreStop: Sendable, Equatable {
        var id: String
        /// When it is not awaited any more.
        var deadline: ContinuousClock.Instant
        var isDone = false
    }

    /// The newest run.
    var current: ContainerRun?
    /// The one before.
    var previous: ContainerRun?
    /// When `current` ended, on the clock that back-offs are counted by.
    var endedAt: ContinuousClock.Instant?
    /// The id of the run that is being started.
    var startingID: String?
    var stop: Stop?
    var postStart = PostStart.done
    /// Why the hook failed, for the status.
    var postStartFailure = ""
    var preStop: PreStop?
    /// What the probes have found of the current run.
    var health = ContainerHealth()
    /// The current run was ended because a probe asked for it.
    var isFailedProbe = false
    /// When the run before ended.
    var previousEndedAt: ContinuousClock.Instant?
    var image = ImageLookup.none
    var problem: PodState.Problem?
    /// Failures in a row of making it; grows the pause.
    var problems = 0
    /// Likewise of finding its image.
    var imageFailures = 0
    var crash = CrashBackoff()

    /// The hook that ends that run; nil as long as none has begun.
    func hook(of run: ContainerRun) -> PreStop? { preStop.flatMap { $0.id == run.id ? $0 : nil } }

    /// It is being started, or its postStart hook runs.
    var isComingUp: Bool { startingID != nil || current?.isRunning == true && postStart == .running }

    /// Since when the pause before the next start is counted; nil to start at once. A run that a probe has ended is
    /// replaced by Kubernetes in the same pass, in which it knows of earlier ends only.
    var backoffFrom: ContinuousClock.Instant? { isFailedProbe ? previousEndedAt : endedAt }

    /// The attempt that a start would be.
    var nextAttempt: Int { current.map { $0.attempt + 1 } ?? previous.map { $0.attempt + 1 } ?? 0 }
    var restartCount: Int { current?.attempt ?? previous?.attempt ?? 0 }
}
