import Glibc
import KubeAPI
import Kernel

/// Turns what a container is to be into the plan that its supervisor's child walks.
struct ContainerPlan {
    let sandbox: SandboxSpec
    let spec: ContainerSpec
    let paths: RuntimePaths
    let cgroups: any Cgroups
    /// The container's cgroup, below the top of our tree.
    let cgroup: String
    let features: MountFeatures
    /// What this node can hand out.
    let bounding: CapabilitySet

    /// Hidden in /proc and /sys, as Docker and containerd do.
    static let maskedPaths = [
        "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ]
    static let readOnlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
    private static let shmBytes: UInt64 = 64 << 20

    /// The folders of a container's writable layer.
    static func upper(_ folder: String) -> String { folder + "/upper" }
    static func work(_ folder: String) -> String { folder + "/work" }
    static func terminationLog(_ folder: String) -> String { folder + "/termination-log" }

    func bytes() throws(RuntimeError) -> [UInt8] {
        try check()
        let folder = paths.container(spec.id)
        var plan = PlanWriter()
        plan.text(.id, spec.id)
        let sharesPIDs = sandbox.hostPID || sandbox.shareProcessNamespace || spec.pidTarget != nil
        var flags: PlanWriter.Flags = [.newCgroup]
        if !sharesPIDs { flags.insert(.newPID) }
        if sandbox.shareProcessNamespace, !sandbox.hostPID { flags.insert(.podPID) }
        if !spec.allowPrivilegeEscalation, !spec.privileged { flags.insert(.noNewPrivileges) }
        if spec.readOnlyRootFilesystem { flags.insert(.readOnlyRoot) }
        if features.mountsOnDetachedTrees { flags.insert(.detached) }
        if features.addsLayersOneByOne { flags.insert(.lowerdirAdd) }
        if spec.tty { flags.insert(.terminal) }
        if spec.stdin { flags.insert(.input) }
        if spec.stdin, spec.stdinOnce { flags.insert(.inputOnce) }
        plan.number(.flags, flags.rawValue)
        // Where all see all there is nothing to join.
        if let target = spec.pidTarget, !sandbox.hostPID, !sandbox.shareProcessNamespace {
            plan.text(.pidTarget, target)
        }

        for layer in spec.layers { plan.text(.layer, layer) }
        plan.text(.upper, Self.upper(folder))
        plan.text(.work, Self.work(folder))
        plan.text(.root, paths.mountPoint)
        addMounts(&plan, folder)

        for argument in spec.args { plan.text(.argument, argument) }
        for variable in spec.env { plan.text(.environment, variable) }
        plan.text(.directory, spec.workingDir.isEmpty ? "/" : spec.workingDir)
        plan.user(spec.uid, spec.gid, groups: spec.supplementalGroups)
        try addRights(&plan)

        let entrance = cgroups.entrance(cgroup, isInner: false)
        for file in entrance.tasksFiles { plan.text(.cgroupTasks, file) }
        if let directory = entrance.directory { plan.text(.cgroup, directory) }
        if let file = cgroups.oomFile(cgroup) { plan.text(.oomFile, file) }
        // Elsewhere the first process' end is the end of all.
        if sharesPIDs, let file = cgroups.killFile(cgroup) { plan.text(.killFile, file) }

        plan.log(
            spec.logPath, sizeLimit: UInt64(max(spec.maxLogSizeBytes, 4096)),
            files: UInt32(clamping: max(spec.maxLogFiles, 1)))
        plan.text(.oomScore, "\(min(max(spec.oomScoreAdj, -1000), 1000))")
        return plan.bytes
    }

    private func check() throws(RuntimeError) {
        func refuse(_ what: String) throws(RuntimeError) { throw RuntimeError(.invalidSpec, what) }
        if !RuntimePaths.isValid(containerID: spec.id) { try refuse("container id must be 64 hexadecimal digits") }
        if spec.args.isEmpty || spec.args[0].isEmpty { try refuse("no command specified") }
        if spec.layers.isEmpty { try refuse("image has no layers") }
        if !spec.workingDir.isEmpty, !spec.workingDir.hasPrefix("/") {
            try refuse("working directory \"\(spec.workingDir)\" is not an absolute path")
        }
        for mount in spec.mounts where !mount.target.hasPrefix("/") || mount.target.contains("/../") {
            try refuse("mount path \"\(mount.target)\" is not an absolute path")
        }
        for variable in spec.env where !variable.contains("=") { try refuse("environment variable without a value") }
        let texts = spec.args + spec.env + spec.layers + spec.mounts.map(\.target) + [spec.workingDir, spec.logPath]
        for text in texts where text.utf8.contains(0) { try refuse("text with a zero byte") }
        for source in spec.mounts.map(\.source) {
            switch source {
            case .bind(let path), .bindBelow(let path, _):
                if !path.hasPrefix("/") || path.utf8.contains(0) || path.utf8.count >= Int(PATH_MAX) {
                    try refuse("mount source \"\(path)\" is not an absolute path")
                }
            case .tmpfs: break
            case .podMemory(let name, _):
                if name.isEmpty || name.contains("/") || name.utf8.contains(0) || name.utf8.count > 200 {
                    try refuse("memory volume \"\(name)\" has no valid name")
                }
            }
            guard case .bindBelow(_, let path) = source else { continue }
            if path.utf8.contains(0) || path.split(separator: "/").contains("..") {
                try refuse("path \"\(path)\" leads out of its volume")
            }
        }
    }

    private func addMounts(_ plan: inout PlanWriter, _ folder: String) {
        let quiet: PlanWriter.MountFlags = [.noSetuid, .noDevices, .noExecute, .system]
        plan.mount(.proc, target: "/proc", quiet)
        plan.mount(.dev, target: "/dev", [.noSetuid, .system])
        if sandbox.hostIPC {
            plan.mount(.bind, source: "/dev/shm", target: "/dev/shm", quiet.union(.optional))
        } else {
            plan.mount(.podTmpfs, source: "shm", target: "/dev/shm", quiet, sizeBytes: Self.shmBytes)
        }
        plan.mount(.mqueue, target: "/dev/mqueue", quiet)
        let frozen: PlanWriter.MountFlags = spec.privileged ? quiet : quiet.union(.readOnly)
        plan.mount(.sysfs, target: "/sys", frozen)
        addCgroups(&plan, frozen)
        if spec.privileged {
            for device in HostDevices.all() {
                plan.device(device.path, mode: device.mode, major: device.major, minor: device.minor)
            }
        }
        if let path = spec.terminationMessagePath {
            plan.mount(.bind, source: Self.terminationLog(folder), target: path)
        }
        // The outer ones first, or they would hide the inner ones. Stable, so that of two at one place the later wins.
        let sorted = spec.mounts.enumerated().sorted { left, right in
            let depths = (Self.depth(left.element.target), Self.depth(right.element.target))
            return depths.0 != depths.1 ? depths.0 < depths.1 : left.offset < right.offset
        }
        for (_, mount) in sorted {
            var flags: PlanWriter.MountFlags = mount.readOnly ? .readOnly : []
            switch mount.propagation {
            case .none: break
            case .hostToContainer: flags.insert(.slave)
            case .bidirectional: flags.insert(.shared)
            }
            switch mount.source {
            case .bind(let path): plan.mount(.bind, source: path, target: mount.target, flags)
            case .bindBelow(let folder, let path):
                plan.mount(
                    .bind, source: folder + "/" + path, target: mount.target, flags.union(.below),
                    mode: UInt32(folder.utf8.count))
            case .tmpfs(let size):
                plan.mount(
                    .tmpfs, target: mount.target, flags.union([.noSetuid, .noDevices]),
                    sizeBytes: UInt64(max(size ?? 0, 0)), mode: 0o1777)
            case .podMemory(let name, let size):
                plan.mount(
                    .podTmpfs, source: "volume-" + name, target: mount.target, flags,
                    sizeBytes: UInt64(max(size ?? 0, 0)))
            }
        }
        if spec.masksSystemPaths, !spec.privileged {
            for path in Self.maskedPaths { plan.text(.mask, path) }
            for path in Self.readOnlyPaths { plan.text(.readOnly, path) }
        }
    }

    /// What the container may use, for programs that look there (a JVM sizes its heap by it).
    private func addCgroups(_ plan: inout PlanWriter, _ flags: PlanWriter.MountFlags) {
        if cgroups.isUnified { return plan.mount(.cgroup2, target: "/sys/fs/cgroup", flags) }
        let folders = cgroups.visibleFolders(cgroup)
        guard !folders.isEmpty else { return }
        // Places are made in it first.
        let outer = flags.contains(.readOnly) ? flags.subtracting(.readOnly).union(.freeze) : flags
        plan.mount(.tmpfs, target: "/sys/fs/cgroup", outer, sizeBytes: 4096, mode: 0o755)
        for (name, path) in folders { plan.mount(.bind, source: path, target: "/sys/fs/cgroup/" + name, flags) }
    }

    private static func depth(_ path: String) -> Int { path.split(separator: "/").count }

    private func addRights(_ plan: inout PlanWriter) throws(RuntimeError) {
        let capabilities: CapabilitySet
        do throws(KernelError) {
            capabilities =
                spec.privileged ? bounding : try CapabilitySet(names: spec.capabilities).intersection(bounding)
        } catch {
            throw RuntimeError(.invalidSpec, "unknown \(error.subject)")
        }
        plan.number(.capabilities, capabilities.mask)
        guard !spec.privileged else { return }
        switch spec.seccomp {
        case .unconfined: break
        case .runtimeDefault: plan.raw(.seccomp, SeccompCache.runtimeDefault(capabilities).bytes)
        case .localhost(let path): plan.raw(.seccomp, try SeccompProfileFile.compile(path, capabilities).bytes)
        }
    }
}
