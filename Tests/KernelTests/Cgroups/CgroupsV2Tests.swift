import Testing

@testable import Kernel

/// On plain files, as `CgroupsV1Tests`.
@Suite("Cgroups v2")
struct CgroupsV2Tests {
    private let folder: TemporaryFolder
    private let cgroups: CgroupsV2
    private let group = "burstable/podx/c"

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("cpuset cpu io memory pids\n", to: "cgroup.controllers")
        for path in ["", "t", "t/burstable", "t/burstable/podx"] {
            try folder.write("", to: (path.isEmpty ? "" : path + "/") + "cgroup.subtree_control")
        }
        for file in ["cpu.weight", "cpu.max", "memory.max", "memory.swap.max", "pids.max", "cgroup.kill"] {
            try folder.write("", to: "t/\(group)/\(file)")
        }
        cgroups = try CgroupsV2(parent: folder.path, name: "t")
    }

    @Test func controllersAreHandedDownToTheTree() throws {
        #expect(try folder.read("cgroup.subtree_control") == "+cpu +memory +pids")
        #expect(try folder.read("t/cgroup.subtree_control") == "+cpu +memory +pids")
        try cgroups.create(group, CgroupLimits())
        #expect(try folder.read("t/burstable/podx/cgroup.subtree_control") == "+cpu +memory +pids")
        #expect(cgroups.isUnified && cgroups.parent == folder.path)
        #expect(cgroups.layout.hasPrefix("v2 (cpu,memory,pids)"))
    }

    @Test func limitsAreWritten() throws {
        try cgroups.create(
            group, CgroupLimits(cpuShares: 1024, cpuQuotaMicros: 150_000, memoryBytes: 64 << 20, pids: 100))
        #expect(try folder.read("t/\(group)/cpu.weight") == "39")
        #expect(try folder.read("t/\(group)/cpu.max") == "150000 100000")
        #expect(try folder.read("t/\(group)/memory.max") == "67108864")
        #expect(try folder.read("t/\(group)/memory.swap.max") == "0")
        #expect(try folder.read("t/\(group)/pids.max") == "100")
    }

    @Test func whatTheMachineDoesNotControlIsLeftAlone() throws {
        try folder.write("memory\n", to: "cgroup.controllers")
        let poor = try CgroupsV2(parent: folder.path, name: "t")
        try poor.create(group, CgroupLimits(cpuShares: 1024, memoryBytes: 1 << 20, pids: 100))
        #expect(try folder.read("t/\(group)/cpu.weight") == "")
        #expect(try folder.read("t/\(group)/pids.max") == "")
        #expect(try folder.read("t/\(group)/memory.max") == "1048576")
    }

    @Test func processesOfAnInnerGroupLiveInOneOfItsOwn() throws {
        try cgroups.create("burstable/podx", CgroupLimits(), isInner: true)
        #expect(folder.exists("t/burstable/podx/self"))
        #expect(cgroups.entrance("burstable/podx", isInner: true).directory == folder.file("t/burstable/podx/self"))
        #expect(cgroups.entrance(group, isInner: false) == CgroupEntrance(directory: folder.file("t/\(group)")))
        // It is no container's.
        #expect(cgroups.children("burstable/podx") == ["c"])
    }

    @Test func filesForTheSupervisor() {
        #expect(cgroups.oomFile(group) == folder.file("t/\(group)/memory.events"))
        #expect(cgroups.killFile(group) == folder.file("t/\(group)/cgroup.kill"))
        #expect(cgroups.visibleFolders(group).isEmpty)
    }

    @Test func usage() throws {
        try folder.write(
            "usage_usec 1500\nuser_usec 1000\nnr_periods 9\nnr_throttled 4\nthrottled_usec 250\n",
            to: "t/\(group)/cpu.stat")
        try folder.write("4096\n", to: "t/\(group)/memory.current")
        try folder.write(
            "anon 2000\nfile 5\ninactive_file 1000\npgfault 12\npgmajfault 3\n", to: "t/\(group)/memory.stat")
        try folder.write("7\n", to: "t/\(group)/pids.current")
        var expected = CgroupUsage()
        expected.cpuNanos = 1_500_000
        expected.memoryBytes = 4096
        expected.rssBytes = 2000
        expected.inactiveFileBytes = 1000
        expected.cacheBytes = 5
        (expected.pageFaults, expected.majorPageFaults) = (12, 3)
        (expected.quotaPeriods, expected.throttledPeriods, expected.throttledNanos) = (9, 4, 250_000)
        expected.pids = 7
        #expect(cgroups.usage(group) == expected)
    }

    @Test func killingIsOneWrite() throws {
        try cgroups.kill(group)
        #expect(try folder.read("t/\(group)/cgroup.kill") == "1")
        try cgroups.kill("gone/already")
    }
}

@Suite("The BPF program that limits devices")
struct DeviceProgramTests {
    private struct Instruction {
        let opcode: UInt8
        let destination: Int
        let source: Int
        let offset: Int
        let value: Int32
    }

    /// The few instructions that the program is made of. `access`: 1 mknod, 2 read, 4 write; `type`: 1 block, 2 character.
    private func verdict(type: UInt32, access: UInt32, major: UInt32, minor: UInt32) -> UInt64? {
        let bytes = DeviceProgram.instructions()
        func number<Value: FixedWidthInteger>(_ at: Int, _: Value.Type) -> Value {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: Value.self) }
        }
        let program = stride(from: 0, to: bytes.count, by: 8).map { at in
            Instruction(
                opcode: bytes[at], destination: Int(bytes[at + 1] & 15), source: Int(bytes[at + 1] >> 4),
                offset: Int(number(at + 2, Int16.self)), value: number(at + 4, Int32.self))
        }
        let context: [UInt32] = [access << 16 | type, major, minor]
        var registers = [UInt64](repeating: 0, count: 11)
        var at = 0
        for _ in 0..<1000 {
            guard program.indices.contains(at) else { return nil }
            let line = program[at]
            let value = UInt64(bitPattern: Int64(line.value))
            let here = registers[line.destination]
            at += 1
            switch line.opcode {
            case 0x61: registers[line.destination] = UInt64(context[line.offset / 4])
            case 0xbf: registers[line.destination] = registers[line.source]
            case 0xb7: registers[line.destination] = value
            case 0x77: registers[line.destination] = here >> UInt64(value)
            case 0x57: registers[line.destination] = here & value
            case 0x05: at += line.offset
            case 0x15: if here == value { at += line.offset }
            case 0x55: if here != value { at += line.offset }
            case 0xa5: if here < value { at += line.offset }
            case 0xb5: if here <= value { at += line.offset }
            case 0x95: return registers[0]
            default: return nil
            }
        }
        return nil
    }

    @Test(
        arguments: [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, 0), (143, 12)]
            as [(UInt32, UInt32)])
    func theUsualOnesMayBeUsed(_ major: UInt32, _ minor: UInt32) {
        #expect(verdict(type: 2, access: 6, major: major, minor: minor) == 1)
        // A disk of the same numbers may not.
        #expect(verdict(type: 1, access: 2, major: major, minor: minor) == 0)
    }

    @Test(
        arguments: [(1, 1), (1, 2), (1, 4), (1, 11), (4, 0), (5, 3), (10, 200), (8, 0), (254, 0), (135, 0), (144, 0)]
            as [(UInt32, UInt32)])
    func othersMayNot(_ major: UInt32, _ minor: UInt32) {
        #expect(verdict(type: 2, access: 2, major: major, minor: minor) == 0)
        #expect(verdict(type: 2, access: 4, major: major, minor: minor) == 0)
    }

    @Test func anyMayBeMade() {
        #expect(verdict(type: 1, access: 1, major: 8, minor: 0) == 1)
        #expect(verdict(type: 2, access: 1, major: 10, minor: 1) == 1)
        // But not made and opened in one.
        #expect(verdict(type: 1, access: 3, major: 8, minor: 0) == 0)
    }
}
