import Glibc
import Testing

@testable import Kernel

/// AUDIT_ARCH_* of this machine and of another.
#if arch(x86_64)
    private let ours: UInt32 = 0xc000_003e
    private let others: UInt32 = 0x4000_0003
#else
    private let ours: UInt32 = 0xc000_00b7
    private let others: UInt32 = 0x4000_0028
#endif

@Suite("The default seccomp filter")
struct SeccompDefaultTests {
    private let usual: FilterMachine
    private let administrator: FilterMachine

    init() throws {
        usual = FilterMachine(.runtimeDefault(capabilities: try CapabilitySet(names: ["CHOWN", "NET_RAW", "KILL"])))
        administrator = FilterMachine(.runtimeDefault(capabilities: try CapabilitySet(names: ["SYS_ADMIN"])))
    }

    private func answer(_ name: String, _ arguments: UInt64..., with machine: FilterMachine? = nil) throws
        -> FilterMachine.Answer
    {
        let number = try #require(SeccompFilter.number(name), "\(name)")
        return (machine ?? usual).run(.init(number: UInt32(number), architecture: ours, arguments: arguments))
    }

    @Test(arguments: [
        "read", "write", "openat", "execve", "futex", "clock_gettime", "epoll_pwait2", "exit_group", "ptrace",
    ])
    func whatProgramsLiveOnIsAllowed(_ name: String) throws { #expect(try answer(name) == .allow) }

    @Test(arguments: [
        "mount", "umount2", "unshare", "setns", "bpf", "keyctl", "add_key", "request_key", "kexec_load", "init_module",
        "open_by_handle_at", "perf_event_open", "pivot_root", "swapon", "reboot", "userfaultfd", "open_tree",
        "io_uring_setup",
    ])
    func whatLeadsOutOfAContainerIsRefused(_ name: String) throws { #expect(try answer(name) == .errno(EPERM)) }

    @Test func everyCallOfTheListIsAllowedAndNoOther() throws {
        var allowed = Set(SeccompDefaults.allowed.split(separator: " ").compactMap { SeccompFilter.number(String($0)) })
        for name in ["clone", "personality", "socket"] { allowed.insert(try #require(SeccompFilter.number(name))) }
        for number in 0...SeccompDefaults.highestNumber {
            let answer = usual.run(.init(number: UInt32(number), architecture: ours))
            if allowed.contains(number) {
                #expect(answer == .allow, "\(number)")
            } else {
                #expect(answer == .errno(EPERM) || answer == .errno(ENOSYS), "\(number)")
            }
        }
    }

    @Test(arguments: [UInt32(SeccompDefaults.highestNumber) + 1, 600, 1000, 0x3fff_ffff, 0x8000_0000, .max])
    func unknownCallsAreNotThereSoThatProgramsFallBack(_ number: UInt32) {
        #expect(usual.run(.init(number: number, architecture: ours)) == .errno(ENOSYS))
    }

    @Test func anotherArchitecturesNumbersAreNotThere() {
        for number: UInt32 in [0, 1, 11, 59, 120] {
            #expect(usual.run(.init(number: number, architecture: others)) == .errno(ENOSYS))
            #expect(usual.run(.init(number: number, architecture: 0)) == .errno(ENOSYS))
        }
    }

    #if arch(x86_64)
        @Test func noneOfTheX32CallsIs() {
            for number: UInt32 in 0...600 {
                #expect(usual.run(.init(number: 0x4000_0000 | number, architecture: ours)) == .errno(ENOSYS))
            }
        }
    #endif

    @Test func processesMayBeMadeButNoNamespaces() throws {
        #expect(try answer("clone", 17) == .allow)
        // A thread.
        #expect(try answer("clone", 0x3d_0f00) == .allow)
        for flag: UInt64 in [0x20000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
            #expect(try answer("clone", flag | 17) == .errno(EPERM))
        }
        // Its flags are in memory, where a filter can't look.
        #expect(try answer("clone3") == .errno(ENOSYS))
    }

    @Test func socketsOfAnyFamilyButTheHypervisors() throws {
        #expect(try answer("socket", 1) == .allow)
        #expect(try answer("socket", 2) == .allow)
        #expect(try answer("socket", 16) == .allow)
        #expect(try answer("socket", 40) == .errno(EPERM))
    }

    @Test func personalitiesThatAreKnown() throws {
        for value: UInt64 in [0, 8, 0x20000, 0x20008, 0xffff_ffff] {
            #expect(try answer("personality", value) == .allow)
        }
        // ADDR_NO_RANDOMIZE and the like.
        for value: UInt64 in [1, 0x0040000, 0x20009] { #expect(try answer("personality", value) == .errno(EPERM)) }
    }

    @Test func capabilitiesOpenTheirCalls() throws {
        for name in ["mount", "unshare", "setns", "bpf", "clone3"] {
            #expect(try answer(name, with: administrator) == .allow)
        }
        #expect(try answer("clone", 0x1000_0000, with: administrator) == .allow)
        #expect(try answer("reboot", with: administrator) == .errno(EPERM))
        let tracer = FilterMachine(.runtimeDefault(capabilities: try CapabilitySet(names: ["SYS_PTRACE"])))
        #expect(try answer("kcmp", with: tracer) == .allow)
        #expect(try answer("kcmp") == .errno(EPERM))
    }

    @Test func itIsShort() {
        let filter = SeccompFilter.runtimeDefault(capabilities: CapabilitySet(mask: 0))
        // Loading costs by the instruction, and so does a list's every call.
        #expect(filter.count < 400)
        #expect(filter.bytes.count == filter.count * 8)
    }
}

@Suite("Seccomp filters of profiles")
struct SeccompProfileTests {
    private func machine(_ defaultAction: SeccompFilter.Action, _ rules: [SeccompFilter.Rule]) throws -> FilterMachine {
        FilterMachine(try SeccompFilter.compile(defaultAction: defaultAction, rules: rules))
    }
    private func answer(_ machine: FilterMachine, _ name: String, _ arguments: UInt64...) throws -> FilterMachine.Answer
    {
        let number = try #require(SeccompFilter.number(name))
        return machine.run(.init(number: UInt32(number), architecture: ours, arguments: arguments))
    }

    @Test func aListOfWhatIsAllowed() throws {
        let machine = try machine(
            .errno(UInt16(EPERM)), [.init(names: ["read", "write"], action: .allow, arguments: [])])
        #expect(try answer(machine, "read") == .allow)
        #expect(try answer(machine, "write") == .allow)
        #expect(try answer(machine, "getpid") == .errno(EPERM))
    }

    @Test func aListOfWhatIsNot() throws {
        let machine = try machine(
            .allow,
            [
                .init(names: ["mkdir", "mkdirat"], action: .errno(UInt16(EACCES)), arguments: []),
                .init(names: ["ptrace"], action: .killProcess, arguments: []),
            ])
        #expect(try answer(machine, "mkdirat") == .errno(EACCES))
        #expect(try answer(machine, "ptrace") == .kill)
        #expect(try answer(machine, "read") == .allow)
    }

    @Test func argumentsAreCompared() throws {
        let machine = try machine(
            .errno(1),
            [
                .init(
                    names: ["socket"], action: .allow,
                    arguments: [.init(index: 0, comparison: .equal, value: 2, valueTwo: 0)]),
                .init(
                    names: ["kill"], action: .allow,
                    arguments: [.init(index: 1, comparison: .maskedEqual, value: 0xf0, valueTwo: 0x10)]),
            ])
        #expect(try answer(machine, "socket", 2) == .allow)
        #expect(try answer(machine, "socket", 1) == .errno(1))
        #expect(try answer(machine, "kill", 0, 0x1f) == .allow)
        #expect(try answer(machine, "kill", 0, 0x2f) == .errno(1))
    }

    @Test func namesThatThisMachineDoesNotKnowAreSkipped() throws {
        let machine = try machine(.errno(1), [.init(names: ["nosuchcall", "read"], action: .allow, arguments: [])])
        #expect(try answer(machine, "read") == .allow)
    }

    @Test func anotherArchitectureIsNeverAllowed() throws {
        let machine = try machine(.allow, [])
        #expect(machine.run(.init(number: 0, architecture: others)) != .allow)
    }
}

@Suite("Capabilities")
struct CapabilitySetTests {
    @Test(arguments: ["CAP_NET_RAW", "NET_RAW", "net_raw", "cap_Net_Raw"])
    func aNameInAnyForm(_ name: String) throws {
        #expect(try CapabilitySet(names: [name]).mask == 1 << 13)
        #expect(CapabilitySet(mask: 1 << 13).contains(name))
    }

    @Test(arguments: ["", "CAP_", "CAP_NOSUCH", "NET RAW", "13"])
    func anUnknownNameIsNamed(_ name: String) {
        let error = #expect(throws: KernelError.self) { try CapabilitySet(names: ["CHOWN", name]) }
        #expect(error?.subject == "capability \(name)")
    }

    @Test func setsAreCut() throws {
        let wanted = try CapabilitySet(names: ["CHOWN", "SYS_ADMIN"])
        #expect(wanted.intersection(CapabilitySet(mask: 1)).mask == 1)
        #expect(wanted.description == "CAP_CHOWN,CAP_SYS_ADMIN")
    }

    @Test func allIsWhatThisProcessMayHandOut() throws {
        #expect(try CapabilitySet(names: ["all"]) == CapabilitySet.bounding())
    }
}
