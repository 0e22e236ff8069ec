import CLinux
import Glibc

/// A process that outlives us: in its own session, with no descriptor of ours but two, in namespaces and cgroups of its
/// own. Its birth costs the same however large this process is.
public struct Spawn: Sendable {
    public var arguments: [String]
    /// To enter; nil stays in ours.
    public var hasNewIPC = true
    public var hasNewUTS = true
    public var hostname: String?
    public var entrance = CgroupEntrance()
    /// Paths under /proc/sys and values, written inside the new namespaces.
    public var sysctls: [(path: String, value: String)] = []
    public var oomScoreAdj: Int?

    public init(arguments: [String]) { self.arguments = arguments }

    /// The child as its parent sees it.
    public struct Child: ~Copyable, Sendable {
        public let pid: Int32
        private let pidfd: Pidfd

        fileprivate init(pid: Int32, pidfd: consuming Pidfd) {
            self.pid = pid
            self.pidfd = pidfd
        }

        /// Gives its descriptor away.
        public consuming func takePidfd() -> Pidfd { pidfd }
    }

    private static let stages = [
        "", "clone", "join cgroup", "enter network namespace", "create namespaces", "set hostname", "set sysctl",
        "prepare descriptors", "execute",
    ]

    /// Executes the image. `socket` becomes its descriptor 3, `stateDirectory` 4.
    public func run(
        image: borrowing FileDescriptor, networkNamespace: Int32?, socket: borrowing FileDescriptor,
        stateDirectory: borrowing FileDescriptor
    ) throws(KernelError) -> Child {
        var tasks: [Int32] = []
        defer { for descriptor in tasks { close(descriptor) } }
        for path in entrance.tasksFiles {
            tasks.append(try FileDescriptor.open(path, O_WRONLY).release())
        }
        var directory: Int32 = -1
        if let path = entrance.directory { directory = try FileDescriptor.folder(path).release() }
        defer { if directory >= 0 { close(directory) } }

        let texts = CStrings(arguments)
        let paths = CStrings(sysctls.map { "/proc/sys/" + $0.path })
        let values = CStrings(sysctls.map(\.value))
        let host = CStrings([hostname ?? ""])
        let score = CStrings([oomScoreAdj.map { "\($0)" } ?? ""])
        var result = swl_spawn_result()
        let imageRaw = image.raw
        let socketRaw = socket.raw
        let stateRaw = stateDirectory.raw
        let code: Int32 = tasks.withUnsafeBufferPointer { tasks in
            var plan = swl_spawn_plan()
            plan.image = imageRaw
            plan.argv = UnsafePointer(texts.pointers)
            plan.network_namespace = networkNamespace ?? -1
            plan.new_ipc = hasNewIPC ? 1 : 0
            plan.new_uts = hasNewUTS ? 1 : 0
            plan.hostname = hostname == nil ? nil : host.pointers[0]
            plan.cgroup_tasks = tasks.baseAddress
            plan.cgroup_tasks_count = tasks.count
            plan.cgroup_directory = directory
            plan.sysctl_paths = UnsafePointer(paths.pointers)
            plan.sysctl_values = UnsafePointer(values.pointers)
            plan.sysctl_count = sysctls.count
            plan.socket = socketRaw
            plan.state_directory = stateRaw
            plan.oom_score_adj = oomScoreAdj == nil ? nil : score.pointers[0]
            return swl_spawn(&plan, &result)
        }
        withExtendedLifetime((texts, paths, values, host, score)) {}
        guard code == 0 else {
            let stage = Int(result.stage)
            let subject =
                switch UInt32(result.stage) {
                case SWL_SPAWN_SYSCTL.rawValue: sysctls.indices.contains(result.index) ? sysctls[result.index].path : ""
                case SWL_SPAWN_CGROUP.rawValue:
                    entrance.tasksFiles.indices.contains(result.index) ? entrance.tasksFiles[result.index] : ""
                default: arguments.first ?? ""
                }
            throw KernelError(Self.stages.indices.contains(stage) ? Self.stages[stage] : "spawn", subject, code: -code)
        }
        return Child(pid: result.pid, pidfd: Pidfd(owning: FileDescriptor(owning: result.pidfd)))
    }
}

/// Copies of texts for C, ended by a null pointer.
final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let count: Int

    init(_ texts: [String]) {
        count = texts.count
        pointers = .allocate(capacity: texts.count + 1)
        for (index, text) in texts.enumerated() { pointers[index] = UnsafePointer(strdup(text)) }
        pointers[texts.count] = nil
    }

    deinit {
        for index in 0..<count { free(UnsafeMutablePointer(mutating: pointers[index])) }
        pointers.deallocate()
    }
}
