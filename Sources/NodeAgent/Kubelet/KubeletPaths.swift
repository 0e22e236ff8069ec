import KubeAPI

/// Every path that the kubelet writes, beside the runtime's (`RuntimePaths`) and the image store's.
struct KubeletPaths: Sendable {
    let dataDir: String
    let runDir: String
    let logDir: String

    init(_ config: KubeletConfig) {
        dataDir = config.dataDir
        runDir = config.runDir
        logDir = config.logDir
    }

    // MARK: state

    /// One folder for each pod, as long as the pod is known here.
    var pods: String { dataDir + "/pods" }
    func pod(_ uid: String) -> String { pods + "/" + uid }
    func podState(_ uid: String) -> String { pod(uid) + "/state.json" }
    /// What the node knew when it last ran: its pod range.
    var node: String { dataDir + "/node.json" }
    /// Profiles that `seccompProfile.localhostProfile` names.
    var seccompProfiles: String { dataDir + "/seccomp" }
    var socket: String { runDir + "/kubelet.sock" }
    /// Where `swiftlet exec` asks; nobody but root gets in.
    var execFolder: String { runDir + "/exec" }

    // MARK: volumes

    /// Volumes on the disk: `kubernetes.io~empty-dir/NAME`.
    func volume(_ uid: String, plugin: String, name: String) -> String {
        pod(uid) + "/volumes/kubernetes.io~\(plugin)/\(name)"
    }
    func volumes(_ uid: String) -> String { pod(uid) + "/volumes" }
    /// Volumes whose content must not reach the disk, and files that need not (a disk that is being synced would hold
    /// their making up): a `MemoryFolder`.
    var memoryVolumes: String { Self.memoryVolumes(runDir: runDir) }
    static func memoryVolumes(runDir: String) -> String { runDir + "/volumes" }
    func memoryVolumes(_ uid: String) -> String { memoryVolumes + "/" + uid }
    func memoryVolume(_ uid: String, plugin: String, name: String) -> String {
        memoryVolumes(uid) + "/kubernetes.io~\(plugin)/\(name)"
    }

    func etcHosts(_ uid: String) -> String { memoryVolumes(uid) + "/etc-hosts" }
    func hostname(_ uid: String) -> String { memoryVolumes(uid) + "/hostname" }
    func resolvConf(_ uid: String) -> String { memoryVolumes(uid) + "/resolv.conf" }

    /// All folders of a pod that stay when it can't be removed as a whole.
    func leftovers(of pod: Pod) -> [String] { [self.pod(pod.uid), memoryVolumes(pod.uid), podLogs(pod)] }

    // MARK: logs

    var podLogs: String { logDir + "/pods" }
    /// Links by container id, for log shippers.
    var containerLogs: String { logDir + "/containers" }
    func podLogs(_ pod: Pod) -> String { "\(podLogs)/\(pod.namespace)_\(pod.name)_\(pod.uid)" }
    func containerLogs(_ pod: Pod, _ container: String) -> String { "\(podLogs(pod))/\(container)" }
    func log(_ pod: Pod, _ container: String, attempt: Int) -> String {
        "\(containerLogs(pod, container))/\(attempt).log"
    }
    /// File names hold 255 bytes.
    func logLink(_ pod: Pod, _ container: String, id: String) -> String {
        let name = "\(pod.name)_\(pod.namespace)_\(container)".prefix(255 - 64 - 5)
        return "\(containerLogs)/\(name)-\(id).log"
    }
}
