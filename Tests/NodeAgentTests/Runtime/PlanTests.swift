import KubeAPI
import Kernel
import Testing

@testable import NodeAgent

@Suite("The form of a plan")
struct PlanWriterTests {
    @Test func anEmptyOneIsItsHead() {
        #expect(PlanWriter().bytes == [0x53, 0x50, 0x4c, 0x4e, 1, 0, 0, 0])
    }

    @Test func recordsAreAlignedAndTextsEndWithAZero() {
        var writer = PlanWriter()
        writer.text(.id, "abc")
        writer.number(.flags, 0x0102)
        #expect(
            Array(writer.bytes.dropFirst(8)) == [
                1, 0, 0, 0, 4, 0, 0, 0, 0x61, 0x62, 0x63, 0, 0, 0, 0, 0,
                2, 0, 0, 0, 8, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0,
            ])
    }

    @Test func theNumbersOfRecordsAreThoseOfTheSupervisor() {
        // enum plan_type, in its order.
        #expect(PlanWriter.Record.id.rawValue == 1)
        #expect(PlanWriter.Record.mount.rawValue == 7)
        #expect(PlanWriter.Record.user.rawValue == 11)
        #expect(PlanWriter.Record.seccomp.rawValue == 13)
        #expect(PlanWriter.Record.killFile.rawValue == 17)
        #expect(PlanWriter.Record.log.rawValue == 20)
        #expect(PlanWriter.Record.target.rawValue == 23)
    }

    @Test func whatIsWrittenIsReadBack() throws {
        var writer = PlanWriter()
        writer.mount(.bind, source: "/host/x", target: "/x", [.readOnly, .slave])
        writer.mount(.tmpfs, target: "/tmp", sizeBytes: 1 << 33, mode: 0o1777)
        writer.user(1, 2, groups: [3, 4])
        writer.log("/l", sizeLimit: 5, files: 6)
        writer.device("net/tun", mode: 0o020666, major: 10, minor: 200)
        let plan = try #require(PlanReader(writer.bytes))
        #expect(
            plan.mounts == [
                .init(kind: 1, flags: 3, size: 0, mode: 0, source: "/host/x", target: "/x"),
                .init(kind: 2, flags: 0, size: 1 << 33, mode: 0o1777, source: "", target: "/tmp"),
            ])
        #expect(plan.all(.user).first?.payload == [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])
        #expect(plan.all(.log).first?.payload == [5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0x2f, 0x6c, 0])
        #expect(plan.all(.device).first?.payload.count == 16 + 8)
    }
}

@Suite("The plan of a container")
struct ContainerPlanTests {
    private func plan(
        _ spec: ContainerSpec = RuntimeSamples.container(), sandbox: SandboxSpec = RuntimeSamples.sandbox(),
        cgroups: PaperCgroups = PaperCgroups(), features: MountFeatures = MountFeatures()
    ) throws -> PlanReader {
        let plan = ContainerPlan(
            sandbox: sandbox, spec: spec, paths: RuntimePaths(dataDir: "/data", runDir: "/run"), cgroups: cgroups,
            cgroup: "burstable/podx/c", features: features, bounding: CapabilitySet(mask: (1 << 41) - 1))
        return try #require(PlanReader(try plan.bytes()))
    }

    private func refusal(_ change: (inout ContainerSpec) -> Void) -> RuntimeError? {
        #expect(throws: RuntimeError.self) { _ = try plan(RuntimeSamples.container(change: change)) }
    }

    @Test func theProgramAndItsSurroundings() throws {
        let plan = try plan()
        #expect(plan.magic == 0x4e4c_5053 && plan.major == 1)
        #expect(plan.texts(.id) == [RuntimeSamples.id])
        #expect(plan.texts(.layer) == ["/images/lower", "/images/upper"])
        #expect(plan.texts(.argument) == ["server", "--port=80"])
        #expect(plan.texts(.environment) == ["PATH=/bin", "A=b"])
        #expect(plan.texts(.directory) == ["/"])
        #expect(plan.texts(.upper) == ["/data/containers/\(RuntimeSamples.id)/upper"])
        #expect(plan.texts(.oomScore) == ["0"])
    }

    @Test func everyRecordIsOneThatTheSupervisorKnows() throws {
        let plan = try plan(RuntimeSamples.container { $0.seccomp = .runtimeDefault })
        #expect(plan.records.allSatisfy { PlanWriter.Record(rawValue: $0.type) != nil && $0.flags == 0 })
        #expect(plan.mounts.count == plan.all(.mount).count)
    }

    @Test func itsOwnProcessesUnlessThePodSharesThem() throws {
        #expect(try plan().flags.contains(.newPID))
        let shared = try plan(sandbox: RuntimeSamples.sandbox { $0.shareProcessNamespace = true })
        #expect(shared.flags.contains(.podPID) && !shared.flags.contains(.newPID))
        // Its first process is then not the end of all: the rest is killed by the cgroup.
        #expect(shared.texts(.killFile) == ["/v2/burstable/podx/c/cgroup.kill"])
        let host = try plan(
            sandbox: RuntimeSamples.sandbox {
                $0.hostPID = true; $0.shareProcessNamespace = true
            })
        #expect(!host.flags.contains(.podPID) && !host.flags.contains(.newPID))
        #expect(try plan().texts(.killFile).isEmpty)
    }

    @Test func whatTheKernelCanDoDecidesHowTheRootIsBuilt() throws {
        var features = MountFeatures()
        #expect(try plan(features: features).flags.isDisjoint(with: [.detached, .lowerdirAdd]))
        features.mountsOnDetachedTrees = true
        features.addsLayersOneByOne = true
        #expect(try plan(features: features).flags.isSuperset(of: [.detached, .lowerdirAdd]))
    }

    @Test func cgroupsOfBothKinds() throws {
        let v2 = try plan()
        #expect(v2.texts(.cgroupTasks).isEmpty && v2.texts(.cgroup) == ["/v2/burstable/podx/c"])
        #expect(v2.mount(at: "/sys/fs/cgroup")?.kind == PlanWriter.MountKind.cgroup2.rawValue)
        let v1 = try plan(cgroups: PaperCgroups(isUnified: false))
        #expect(v1.texts(.cgroupTasks) == ["/v1/burstable/podx/c/tasks"])
        let memory = try #require(v1.mount(at: "/sys/fs/cgroup/memory"))
        #expect(memory.source == "/v1/memory/burstable/podx/c")
        #expect(PlanWriter.MountFlags(rawValue: memory.flags).contains(.readOnly))
        // Read-only only when the others lie on it.
        let outer = PlanWriter.MountFlags(rawValue: try #require(v1.mount(at: "/sys/fs/cgroup")).flags)
        #expect(outer.contains(.freeze) && !outer.contains(.readOnly))
    }

    @Test func outerMountsComeBeforeInnerOnesAndOfTwoTheLaterWins() throws {
        let plan = try plan(
            RuntimeSamples.container {
                $0.mounts = [
                    ContainerMount(source: .bind("/1"), target: "/a/b/c"),
                    ContainerMount(source: .bind("/2"), target: "/a"),
                    ContainerMount(source: .bind("/3"), target: "/a/b"),
                    ContainerMount(source: .bind("/4"), target: "/a"),
                ]
            })
        #expect(
            plan.mounts.map(\.source).filter { ["/1", "/2", "/3", "/4"].contains($0) } == ["/2", "/4", "/3", "/1"])
    }

    @Test func theSystemsOwnMountsAreFirstAndFollowNoLink() throws {
        let mounts = try plan(
            RuntimeSamples.container { $0.mounts = [ContainerMount(source: .bind("/1"), target: "/a")] }
        ).mounts
        let system = mounts.prefix { PlanWriter.MountFlags(rawValue: $0.flags).contains(.system) }
        #expect(system.map(\.target) == ["/proc", "/dev", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"])
        #expect(!PlanWriter.MountFlags(rawValue: try #require(mounts.last).flags).contains(.system))
        let sys = PlanWriter.MountFlags(rawValue: try #require(mounts.first { $0.target == "/sys" }).flags)
        #expect(sys.isSuperset(of: [.readOnly, .noSetuid, .noDevices, .noExecute]))
    }

    @Test func mountsOfEveryKind() throws {
        let plan = try plan(
            RuntimeSamples.container {
                $0.mounts = [
                    ContainerMount(source: .bind("/h"), target: "/1", readOnly: true, propagation: .hostToContainer),
                    ContainerMount(source: .bindBelow(folder: "/vol", path: "sub/x"), target: "/2"),
                    ContainerMount(source: .tmpfs(sizeBytes: 4096), target: "/3"),
                    ContainerMount(
                        source: .podMemory(name: "m", sizeBytes: nil), target: "/4", propagation: .bidirectional),
                ]
            })
        #expect(plan.mount(at: "/1") == .init(kind: 1, flags: 1 | 2, size: 0, mode: 0, source: "/h", target: "/1"))
        // The first bytes of the source are the folder that the rest must not lead out of.
        #expect(
            plan.mount(at: "/2") == .init(kind: 1, flags: 256, size: 0, mode: 4, source: "/vol/sub/x", target: "/2"))
        #expect(
            plan.mount(at: "/3") == .init(kind: 2, flags: 8 | 16, size: 4096, mode: 0o1777, source: "", target: "/3"))
        #expect(plan.mount(at: "/4") == .init(kind: 8, flags: 4, size: 0, mode: 0, source: "volume-m", target: "/4"))
    }

    @Test func sharedMemoryIsThePodsUnlessItSharesTheNodes() throws {
        #expect(try plan().mount(at: "/dev/shm")?.source == "shm")
        let host = try plan(sandbox: RuntimeSamples.sandbox { $0.hostIPC = true })
        #expect(host.mount(at: "/dev/shm")?.source == "/dev/shm")
    }

    @Test func theRightsOfAnOrdinaryContainer() throws {
        let plan = try plan(
            RuntimeSamples.container {
                $0.uid = 1000
                $0.gid = 2000
                $0.supplementalGroups = [3000]
                $0.capabilities = ["CHOWN", "CAP_NET_RAW"]
                $0.allowPrivilegeEscalation = false
                $0.readOnlyRootFilesystem = true
            })
        #expect(plan.number(.capabilities) == 1 | 1 << 13)
        #expect(plan.flags.isSuperset(of: [.noNewPrivileges, .readOnlyRoot]))
        #expect(plan.all(.user).first?.payload == [0xe8, 3, 0, 0, 0xd0, 7, 0, 0, 0xb8, 0x0b, 0, 0])
        #expect(plan.texts(.mask).contains("/proc/kcore") && plan.texts(.readOnly).contains("/proc/sys"))
        #expect(plan.all(.device).isEmpty && plan.all(.seccomp).isEmpty)
    }

    @Test func aPrivilegedOneHasAllThatTheNodeHas() throws {
        let plan = try plan(
            RuntimeSamples.container {
                $0.privileged = true
                $0.seccomp = .runtimeDefault
                $0.allowPrivilegeEscalation = false
                $0.capabilities = []
            })
        #expect(plan.number(.capabilities) == (1 << 41) - 1)
        #expect(!plan.flags.contains(.noNewPrivileges))
        #expect(plan.all(.seccomp).isEmpty && plan.texts(.mask).isEmpty && plan.texts(.readOnly).isEmpty)
        let sys = PlanWriter.MountFlags(rawValue: try #require(plan.mount(at: "/sys")).flags)
        #expect(!sys.contains(.readOnly))
    }

    @Test func pathsOfAnUnmaskedContainerAreFree() throws {
        let plan = try plan(RuntimeSamples.container { $0.masksSystemPaths = false })
        #expect(plan.texts(.mask).isEmpty && plan.texts(.readOnly).isEmpty)
    }

    @Test func filters() throws {
        let filtered = try plan(RuntimeSamples.container { $0.seccomp = .runtimeDefault })
        let expected = SeccompFilter.runtimeDefault(
            capabilities: try CapabilitySet(names: ContainerSpec.defaultCapabilities))
        #expect(filtered.all(.seccomp).first?.payload == expected.bytes)
        #expect(
            refusal { $0.seccomp = .localhost("/nosuch.json") }?.message
                == "seccomp profile /nosuch.json does not exist")
    }

    @Test func bounds() throws {
        let plan = try plan(
            RuntimeSamples.container {
                $0.oomScoreAdj = 5000
                $0.maxLogFiles = 0
                $0.maxLogSizeBytes = 1
            })
        #expect(plan.texts(.oomScore) == ["1000"])
        // A page of log, in one file.
        #expect(plan.all(.log).first?.payload.prefix(12) == [0, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    }

    @Test func whatCannotBeIsRefused() {
        #expect(refusal { $0.id = "short" }?.message == "container id must be 64 hexadecimal digits")
        #expect(refusal { $0.args = [] }?.message == "no command specified")
        #expect(refusal { $0.args = [""] }?.message == "no command specified")
        #expect(refusal { $0.layers = [] }?.message == "image has no layers")
        #expect(refusal { $0.workingDir = "x" }?.message == "working directory \"x\" is not an absolute path")
        #expect(refusal { $0.env = ["A"] }?.message == "environment variable without a value")
        #expect(refusal { $0.args = ["a\u{0}b"] }?.message == "text with a zero byte")
        #expect(refusal { $0.capabilities = ["FLY"] }?.message == "unknown capability FLY")
        for target in ["x", "/a/../b", ""] {
            #expect(
                refusal { $0.mounts = [ContainerMount(source: .bind("/h"), target: target)] }?.reason == .invalidSpec)
        }
        for source: MountSource in [
            .bind("h"), .bind(""), .bindBelow(folder: "/v", path: "a/../../b"), .bindBelow(folder: "v", path: "a"),
            .podMemory(name: "a/b", sizeBytes: nil), .podMemory(name: "", sizeBytes: nil),
        ] {
            #expect(
                refusal { $0.mounts = [ContainerMount(source: source, target: "/x")] }?.reason == .invalidSpec,
                "\(source)")
        }
    }
}

@Suite("Seccomp profiles of the node")
struct SeccompProfileFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func compile(_ text: String, _ capabilities: [String] = []) throws -> SeccompFilter {
        try folder.write(text, to: "p.json")
        return try SeccompProfileFile.compile(folder.file("p.json"), try CapabilitySet(names: capabilities))
    }

    @Test func theFormThatDockerUses() throws {
        let filter = try compile(
            """
            {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
              {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
              {"name": "socket", "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
              {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}}]}
            """)
        #expect(filter.count > 5)
        let more = try compile(
            #"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}}]}"#,
            ["SYS_ADMIN"])
        let less = try compile(
            #"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}}]}"#
        )
        #expect(more.count > less.count)
    }

    @Test(arguments: [
        "", "{}", #"{"defaultAction": "SCMP_ACT_DANCE"}"#,
        #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "x"}]}"#,
        #"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 9, "op": "SCMP_CMP_EQ"}]}]}"#,
    ])
    func whatIsNoneIsRefused(_ text: String) {
        let error = #expect(throws: RuntimeError.self) { _ = try compile(text) }
        #expect(error?.reason == .invalidSpec)
        #expect(error?.message.contains("p.json") == true)
    }
}
