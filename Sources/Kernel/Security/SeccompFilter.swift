import CSeccomp
import Glibc

/// Compiled seccomp filters: the bytes of an array of `struct sock_filter`.
public struct SeccompFilter: Sendable, Equatable {
    public let bytes: [UInt8]
    /// Instructions of 8 bytes each.
    public var count: Int { bytes.count / 8 }

    /// The default filter for a container with these capabilities.
    ///
    /// It is a tree over ranges of numbers: a few comparisons for each call, and a third of the instructions (and of the
    /// time to load) of a list.
    public static func runtimeDefault(capabilities: CapabilitySet) -> SeccompFilter {
        var verdicts: [Int: Verdict] = [:]
        func allow(_ names: String) {
            for name in names.split(separator: " ") {
                if let number = number(String(name)) { verdicts[number] = .allow }
            }
        }
        // Before the capabilities, some of which open all of these calls.
        if let clone = number("clone") { verdicts[clone] = .cloneWithoutNamespaces }
        if let clone3 = number("clone3") { verdicts[clone3] = .refuse(ENOSYS) }
        if let personality = number("personality") { verdicts[personality] = .knownPersonality }
        if let socket = number("socket") { verdicts[socket] = .anySocketButVsock }
        allow(SeccompDefaults.allowed)
        for entry in SeccompDefaults.byCapability where capabilities.contains(entry.capability) { allow(entry.calls) }
        return SeccompFilter(bytes: assemble(verdicts))
    }

    /// The number of a system call on this machine; nil where it has none of that name.
    static func number(_ name: String) -> Int? {
        let number = Int(seccomp_syscall_resolve_name(name))
        return number >= 0 ? number : SeccompDefaults.numbers[name]
    }

    enum Verdict: Equatable {
        case allow
        case refuse(Int32)
        /// clone: the flags are in the first argument (clone3's are in memory, where no filter can look).
        case cloneWithoutNamespaces
        case knownPersonality
        case anySocketButVsock
    }

    private struct Instruction {
        var code: UInt16
        var jumpTrue: UInt8 = 0
        var jumpFalse: UInt8 = 0
        var value: UInt32
    }
    private static let allowValue: UInt32 = 0x7fff_0000
    private static func errnoValue(_ code: Int32) -> UInt32 { 0x0005_0000 | UInt32(code) }

    private static func returning(_ value: UInt32) -> Instruction { Instruction(code: 0x06, value: value) }
    private static func load(_ offset: UInt32) -> Instruction { Instruction(code: 0x20, value: offset) }
    private static func firstArgument() -> Instruction { load(16) }

    private static func code(_ verdict: Verdict) -> [Instruction] {
        let allow = returning(allowValue)
        let deny = returning(errnoValue(EPERM))
        switch verdict {
        case .allow: return [allow]
        case .refuse(let code): return [returning(errnoValue(code))]
        case .cloneWithoutNamespaces:
            // Any of CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
            return [firstArgument(), Instruction(code: 0x45, jumpTrue: 1, value: 0x7e02_0000), allow, deny]
        case .knownPersonality:
            let known: [UInt32] = [0x0, 0x8, 0x20000, 0x20008, 0xffff_ffff]
            let tests = known.enumerated().map { index, value in
                Instruction(code: 0x15, jumpTrue: UInt8(known.count - index), value: value)
            }
            return [firstArgument()] + tests + [deny, allow]
        case .anySocketButVsock:
            // AF_VSOCK leads to the hypervisor's host.
            return [firstArgument(), Instruction(code: 0x15, jumpTrue: 1, value: 40), allow, deny]
        }
    }

    private static func assemble(_ verdicts: [Int: Verdict]) -> [UInt8] {
        // Ranges of equal verdicts that cover all numbers.
        var ranges: [(first: UInt32, verdict: Verdict)] = []
        for number in 0...SeccompDefaults.highestNumber {
            let verdict = verdicts[number] ?? .refuse(EPERM)
            if ranges.last?.verdict != verdict { ranges.append((UInt32(number), verdict)) }
        }
        ranges.append((UInt32(SeccompDefaults.highestNumber + 1), .refuse(ENOSYS)))

        func tree(_ part: ArraySlice<(first: UInt32, verdict: Verdict)>) -> [Instruction] {
            guard part.count > 1 else { return part.first.map { code($0.verdict) } ?? [] }
            let middle = part.startIndex + part.count / 2
            let lower = tree(part[..<middle])
            let upper = tree(part[middle...])
            // A jump reaches 255 instructions; a longer one takes a second.
            if lower.count <= 255 {
                return [Instruction(code: 0x35, jumpTrue: UInt8(lower.count), value: part[middle].first)] + lower
                    + upper
            }
            return [
                Instruction(code: 0x35, jumpTrue: 0, jumpFalse: 1, value: part[middle].first),
                Instruction(code: 0x05, value: UInt32(lower.count)),
            ] + lower + upper
        }

        var program: [Instruction] = [
            load(4),
            // Of another architecture (32-bit programs on 64 bits): none of the numbers below mean the same there.
            Instruction(code: 0x15, jumpTrue: 1, value: seccomp_arch_native()),
            returning(errnoValue(ENOSYS)),
            load(0),
        ]
        #if arch(x86_64)
            // The x32 calls have numbers of their own.
            program += [Instruction(code: 0x35, jumpFalse: 1, value: 0x4000_0000), returning(errnoValue(ENOSYS))]
        #endif
        program += tree(ranges[...])
        var bytes: [UInt8] = []
        bytes.reserveCapacity(program.count * 8)
        for instruction in program {
            withUnsafeBytes(of: instruction.code) { bytes += $0 }
            bytes += [instruction.jumpTrue, instruction.jumpFalse]
            withUnsafeBytes(of: instruction.value) { bytes += $0 }
        }
        return bytes
    }
}
