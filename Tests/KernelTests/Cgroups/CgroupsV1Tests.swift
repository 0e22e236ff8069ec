import Testing

@testable import Kernel

/// On plain files: what is written where, and in which order groups go.
@Suite("Cgroups v1")
struct CgroupsV1Tests {
    private let folder: TemporaryFolder
    private let cgroups: CgroupsV1
    private let group = "burstable/podx/c"

    init() throws {
        folder = try TemporaryFolder()
        for name in ["cpu", "cpuacct", "memory", "pids", "devices", "unified"] { try folder.folder(name) }
        try folder.write("", to: "unified/t/cgroup.kill")
        var controllers: [String: String] = [:]
        for name in ["cpu", "cpuacct", "memory", "pids", "devices", "freezer"] { controllers[name] = folder.file(name) }
        cgroups = try CgroupsV1(
            name: "t", mounts: CgroupMounts(controllers: controllers, unified: folder.file("unified")))
        for path in ["burstable", "burstable/podx"] { try cgroups.create(path, CgroupLimits()) }
        for name in ["cpu", "cpuacct", "memory", "pids", "devices", "unified"] {
            try folder.folder("\(name)/t/\(group)")
        }
        // The kernel makes these with the group.
        for file in ["cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us"] {
            try folder.write("", to: "cpu/t/\(group)/\(file)")
        }
        for file in ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"] {
            try folder.write("", to: "memory/t/\(group)/\(file)")
        }
        try folder.write("", to: "pids/t/\(group)/pids.max")
    }

    @Test func aGroupIsMadeInEveryHierarchyThatIsUsed() {
        for name in ["cpu", "cpuacct", "memory", "pids", "devices", "unified"] {
            #expect(folder.exists("\(name)/t/burstable/podx"), "\(name)")
        }
        #expect(!folder.exists("freezer"))
        #expect(cgroups.layout == "v1 (cpu,cpuacct,memory,pids,devices) + v2")
        #expect(!cgroups.isUnified && cgroups.parent == nil)
    }

    @Test func limitsAreWritten() throws {
        try cgroups.create(
            group, CgroupLimits(cpuShares: 512, cpuQuotaMicros: 150_000, memoryBytes: 64 << 20, pids: 100))
        #expect(try folder.read("cpu/t/\(group)/cpu.shares") == "512")
        #expect(try folder.read("cpu/t/\(group)/cpu.cfs_period_us") == "100000")
        #expect(try folder.read("cpu/t/\(group)/cpu.cfs_quota_us") == "150000")
        #expect(try folder.read("memory/t/\(group)/memory.limit_in_bytes") == "67108864")
        #expect(try folder.read("memory/t/\(group)/memory.memsw.limit_in_bytes") == "67108864")
        #expect(try folder.read("pids/t/\(group)/pids.max") == "100")
    }

    @Test func whatIsNotLimitedIsNotWritten() throws {
        try cgroups.create(group, CgroupLimits())
        for file in [
            "cpu/t/\(group)/cpu.shares", "memory/t/\(group)/memory.limit_in_bytes", "pids/t/\(group)/pids.max",
        ] {
            #expect(try folder.read(file) == "")
        }
    }

    @Test func aRefusedLimitNamesTheFile() {
        let error = #expect(throws: KernelError.self) {
            try cgroups.update("burstable", CgroupLimits(pids: 5))
        }
        #expect(error?.subject == folder.file("pids/t/burstable/pids.max"))
    }

    @Test func processesEnterByTheirOwnWriteAndAreBornIntoV2() {
        let entrance = cgroups.entrance(group, isInner: false)
        #expect(
            entrance.tasksFiles
                == ["cpu", "cpuacct", "devices", "memory", "pids"].map { folder.file("\($0)/t/\(group)/tasks") })
        #expect(entrance.directory == folder.file("unified/t/\(group)"))
        // Without a rule against processes in inner groups, nothing changes.
        #expect(cgroups.entrance(group, isInner: true) == entrance)
    }

    @Test func filesForTheSupervisor() {
        #expect(cgroups.oomFile(group) == folder.file("memory/t/\(group)/memory.oom_control"))
        #expect(cgroups.killFile(group) == folder.file("unified/t/\(group)/cgroup.kill"))
        #expect(cgroups.visibleFolders(group).map(\.name) == ["cpu", "cpuacct", "memory", "pids"])
    }

    @Test func withoutV2TheProcessesThemselvesAreWalked() throws {
        let alone = try CgroupsV1(name: "t", mounts: CgroupMounts(controllers: ["pids": folder.file("pids")]))
        #expect(alone.killFile(group) == folder.file("pids/t/\(group)/cgroup.procs"))
        #expect(alone.entrance(group, isInner: false).directory == nil)
        #expect(alone.oomFile(group) == nil)
        #expect(alone.layout == "v1 (pids)")
    }

    @Test func usageComesFromEveryHierarchy() throws {
        try folder.write("123456789\n", to: "cpuacct/t/\(group)/cpuacct.usage")
        try folder.write("4096\n", to: "memory/t/\(group)/memory.usage_in_bytes")
        try folder.write("cache 1\ntotal_rss 2000\ntotal_inactive_file 1000\n", to: "memory/t/\(group)/memory.stat")
        try folder.write("7\n", to: "pids/t/\(group)/pids.current")
        var expected = CgroupUsage()
        expected.cpuNanos = 123_456_789
        expected.memoryBytes = 4096
        expected.rssBytes = 2000
        expected.inactiveFileBytes = 1000
        expected.pids = 7
        #expect(cgroups.usage(group) == expected)
        #expect(cgroups.usage("nothing") == CgroupUsage())
    }

    @Test func killingIsOneWrite() throws {
        try folder.write("", to: "unified/t/\(group)/cgroup.kill")
        try cgroups.kill(group)
        #expect(try folder.read("unified/t/\(group)/cgroup.kill") == "1")
        try cgroups.kill("gone/already")
    }

    @Test func processesOfAGroupAndBelowAreListed() throws {
        try folder.write("12\n0\n13\n", to: "unified/t/burstable/podx/cgroup.procs")
        try folder.write("14\nx\n", to: "unified/t/\(group)/cgroup.procs")
        // 0 is a process that this namespace can't name.
        #expect(cgroups.processes("burstable/podx").sorted() == [12, 13, 14])
        #expect(cgroups.processes("nothing").isEmpty)
    }

    @Test func childrenAreThoseOfAnyHierarchy() throws {
        try folder.folder("cpu/t/burstable/pody")
        #expect(cgroups.children("burstable") == ["podx", "pody"])
        #expect(cgroups.children("nothing").isEmpty)
    }

    @Test func aGroupGoesWithAllBelowItFromAllHierarchies() throws {
        for name in ["cpu", "memory", "pids"] {
            // Plain folders do not lose their files by rmdir, as groups do.
            try FileTree.remove(folder.file("\(name)/t/\(group)"))
            try folder.folder("\(name)/t/\(group)/deep")
        }
        try cgroups.remove("burstable/podx")
        for name in ["cpu", "cpuacct", "memory", "pids", "devices", "unified"] {
            #expect(!folder.exists("\(name)/t/burstable/podx"), "\(name)")
            #expect(folder.exists("\(name)/t/burstable"), "\(name)")
        }
        try cgroups.remove("burstable/podx")
    }
}
