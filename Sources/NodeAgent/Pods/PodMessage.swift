import KubeAPI

/// What a pod's worker is told: by the API, by the runtime, and by what it has set going itself.
enum PodMessage: Sendable {
    // From outside.
    /// The pod as its source has it now.
    case update(Pod)
    /// Its source has it no more; the last known object.
    case vanished(Pod)
    /// What the API has in a static pod's place.
    case mirror(Pod)
    /// What the API had there is gone; nil: there is nothing.
    case mirrorWent(uid: String?)
    case exited(id: String, ExitRecord)
    case sandboxDied(reason: String)
    /// A ConfigMap or Secret that it names has changed.
    case objectsChanged
    case imagesChanged
    /// Something else that its plan depends on: the network, the time.
    case wake
    /// The kubelet ends; the pod goes on.
    case halt

    // Answers.
    /// With when the runtime was asked, and when it had answered.
    case sandboxCreated(
        Result<SandboxInfo, RuntimeError>, asked: ContinuousClock.Instant, answered: ContinuousClock.Instant)
    case sandboxRemoved(Result<Void, RuntimeError>)
    case volumesPrepared(Result<[String: PreparedVolume], VolumeError>)
    case volumesRemoved
    /// The container's image, of that name, is being pulled.
    case imagePulling(String, image: String)
    case imageFound(String, image: String, Result<FoundImage, ImageProblem>)
    /// Pull secrets that can't be had.
    case pullSecretsMissing([String])
    /// With when the runtime was asked, if it was.
    case started(String, ContainerRun, Result<ContainerInfo, StartProblem>, asked: ContinuousClock.Instant?)
    case stopped(String, id: String, Result<ExitRecord, RuntimeError>)
    /// A stop that failed may be tried again.
    case stopExpired(String, id: String)
    /// A probe of the run with that id has found something.
    case probed(String, id: String, ProbeSpec, ProbeOutcome)
    case postStartEnded(String, id: String, Result<Void, HealthActionError>)
    case preStopEnded(String, id: String, Result<Void, HealthActionError>)
    /// A hook was to be run by HTTPS and has been by HTTP.
    case hookFellBack(server: String)
    case volumesRefreshed(Result<Void, VolumeError>)
    case cleanedUp(Result<Void, CleanUpError>)
    case statusSent(patch: JSON, Result<Pod, ReportError>)
    case deleted(Result<Void, ReportError>)
    case mirrorCreated(Result<Pod, ReportError>)
    case mirrorDeleted(uid: String, Result<Void, ReportError>)
}

/// Why a container was not started.
enum StartProblem: Error, Sendable {
    /// Its configuration can't be resolved: `CreateContainerConfigError`.
    case config(String)
    /// It could not be made: `CreateContainerError`.
    case create(String)
    /// Its program could not be executed: a run that has failed.
    case start(String)
    /// There is no sandbox any more.
    case sandboxGone
}

/// What of a pod could not be removed from the disk.
struct CleanUpError: Error, Sendable, CustomStringConvertible {
    let description: String
}

/// What came of telling the API something.
enum ReportError: Error, Sendable, CustomStringConvertible {
    /// The API has no such object any more, or another of its name.
    case gone
    /// It was refused, and would be again.
    case refused(String)
    /// Nobody answered, or nobody could: to be tried again.
    case unreachable(String)

    /// - Parameter conflictIsGone: a 409 says that another object has the name: for calls with a uid precondition.
    init(_ error: any Error, conflictIsGone: Bool = false) {
        guard let status = error as? StatusError else {
            self = .unreachable("\(error)")
            return
        }
        switch status.code {
        case 404: self = .gone
        case 409: self = conflictIsGone ? .gone : .unreachable(status.message)
        case 400..<429, 430..<500: self = .refused(status.message)
        default: self = .unreachable(status.message)
        }
    }

    var description: String {
        switch self {
        case .gone: "the object is gone"
        case .refused(let message), .unreachable(let message): message
        }
    }
}
