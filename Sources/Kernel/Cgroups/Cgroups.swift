import Glibc

/// How a process gets into a cgroup without anybody waiting for the kernel's grace period.
public struct CgroupEntrance: Sendable, Equatable {
    /// v1: the process itself writes "0" to each of these files.
    public var tasksFiles: [String] = []
    /// v2: the process is born there (CLONE_INTO_CGROUP).
    public var directory: String?
    public init(tasksFiles: [String] = [], directory: String? = nil) {
        self.tasksFiles = tasksFiles
        self.directory = directory
    }
}

/// A tree of cgroups below one that is ours, on whatever the machine has. Groups are named by their paths below it
/// (`burstable/pod1234/abcd`); the empty path is the tree's own top.
public protocol Cgroups: Sendable {
    /// For `swiftlet check` and the logs: `v1 (cpu,memory,…) + v2`.
    var layout: String { get }

    /// Makes a group, whose parents exist, and sets its limits. One that exists keeps its processes. `isInner`: other
    /// groups will lie below it, and processes enter it by `entrance(_:isInner:)`.
    func create(_ path: String, _ limits: CgroupLimits, isInner: Bool) throws(KernelError)
    /// Changes the limits of a group.
    func update(_ path: String, _ limits: CgroupLimits) throws(KernelError)
    /// Denies all devices but the usual ones to a group without processes.
    func limitDevices(_ path: String) throws(KernelError)
    /// How a process gets in. `isInner`: of a group that has groups below it, where v2 allows no process: it is then put
    /// into a group `self` of its own.
    func entrance(_ path: String, isInner: Bool) -> CgroupEntrance
    /// The file with the group's `oom_kill` count.
    func oomFile(_ path: String) -> String?
    /// What a killer writes to or walks: `cgroup.kill`, or a list of processes.
    func killFile(_ path: String) -> String?
    /// Folders to be shown in a container at /sys/fs/cgroup/<name>; none where a mount of v2 does.
    func visibleFolders(_ path: String) -> [(name: String, path: String)]
    /// Whether a container sees v2 at /sys/fs/cgroup.
    var isUnified: Bool { get }
    /// Where the tree's top lies, if that depends on who asks: v2's, which may be in the daemon's own group.
    var parent: String? { get }

    /// The processes in a group and all below it.
    func processes(_ path: String) -> [Int32]
    /// Sends SIGKILL to all processes in a group and all below it.
    func kill(_ path: String) throws(KernelError)
    /// Removes a group and all below it, which must have no processes (EBUSY). Missing is fine.
    func remove(_ path: String) throws(KernelError)
    /// The names of the groups right below, of all hierarchies.
    func children(_ path: String) -> Set<String>
    func usage(_ path: String) -> CgroupUsage
    /// Removes the whole tree, its top included.
    func removeTop() throws(KernelError)
}

extension Cgroups {
    /// Makes a group that has processes and no groups below it.
    public func create(_ path: String, _ limits: CgroupLimits) throws(KernelError) {
        try create(path, limits, isInner: false)
    }

    /// Kills all processes of a group and waits for their end: true when none is left.
    public func killAndWait(_ path: String, timeoutMs: Int) -> Bool {
        var waited = 0
        var pause = 1
        while true {
            // A refusal shows in the list of processes, which is what counts.
            try? kill(path)
            if processes(path).isEmpty { return true }
            guard waited < timeoutMs else { return false }
            usleep(UInt32(pause) * 1000)
            waited += pause
            pause = min(pause * 2, 50)
        }
    }
}

/// Finds out what the machine has.
public enum CgroupDetection {
    /// The tree `name` (`swiftlet-<tag>`): v1 where its controllers are mounted, with v2 beside it for killing; else v2.
    /// Nothing is made before the first group, except the top of the tree. `parent`: where a tree of v2 was made before,
    /// for one who is not in the daemon's own cgroup.
    public static func open(name: String, mounts: CgroupMounts, parent: String? = nil) throws(KernelError)
        -> any Cgroups
    {
        if mounts.controllers["memory"] != nil || mounts.controllers["cpu"] != nil || mounts.controllers["pids"] != nil
        {
            return try CgroupsV1(name: name, mounts: mounts)
        }
        guard let unified = mounts.unified else {
            throw KernelError("find", "a mounted cgroup hierarchy", code: ENOENT)
        }
        let place = if let parent { parent } else { try CgroupsV2.delegatedParent(unified: unified) }
        return try CgroupsV2(parent: place, name: name)
    }
}
