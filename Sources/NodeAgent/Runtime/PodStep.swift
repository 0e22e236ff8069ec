import Glibc

/// The steps of building a pod and tearing it down, each named after what has just been done. docs/pod-steps.md says what is
/// left where the daemon dies behind one of them, and who removes it.
enum PodStep: String, Sendable, CaseIterable {
    // A sandbox.
    case networkTaken = "network-taken"
    case recordWritten = "record-written"
    case listenerMade = "listener-made"
    case podCgroupsMade = "pod-cgroups-made"
    case supervisorSpawned = "supervisor-spawned"
    case supervisorHeard = "supervisor-heard"
    // A container.
    case folderMade = "folder-made"
    case containerCgroupsMade = "container-cgroups-made"
    case startAsked = "start-asked"
    case startHeard = "start-heard"
    // The removal of a container that has ended.
    case containerForgotten = "container-forgotten"
    case containerCgroupsRemoved = "container-cgroups-removed"
    case folderTrashed = "folder-trashed"
    // The removal of a pod.
    case removalNoted = "removal-noted"
    case supervisorEnded = "supervisor-ended"
    case podCgroupsRemoved = "pod-cgroups-removed"
    case addressReleased = "address-released"
    case foldersTrashed = "folders-trashed"
    case stateRemoved = "state-removed"
    case recordRemoved = "record-removed"
}

extension RuntimeContext {
    /// Dies here, as by SIGKILL, where a test has asked for it.
    func passed(_ step: PodStep) {
        guard config.dyingStep == step.rawValue else { return }
        kill(getpid(), SIGKILL)
        // The signal is for the whole process; this thread must do nothing more until it has come.
        while true { pause() }
    }
}
