import CLinux
import CSeccomp
import Glibc

/// Filters by rules that come from outside: compiled by libseccomp.
extension SeccompFilter {
    public enum Action: Sendable, Hashable {
        case allow, killThread, killProcess, log, trap
        case errno(UInt16)

        var number: UInt32 {
            switch self {
            case .allow: 0x7fff_0000
            case .killThread: 0
            case .killProcess: 0x8000_0000
            case .log: 0x7ffc_0000
            case .trap: 0x0003_0000
            case .errno(let code): 0x0005_0000 | UInt32(code)
            }
        }
    }

    public enum Comparison: String, Sendable {
        case notEqual = "SCMP_CMP_NE"
        case less = "SCMP_CMP_LT"
        case lessOrEqual = "SCMP_CMP_LE"
        case equal = "SCMP_CMP_EQ"
        case greaterOrEqual = "SCMP_CMP_GE"
        case greater = "SCMP_CMP_GT"
        case maskedEqual = "SCMP_CMP_MASKED_EQ"

        var operation: scmp_compare {
            switch self {
            case .notEqual: SCMP_CMP_NE
            case .less: SCMP_CMP_LT
            case .lessOrEqual: SCMP_CMP_LE
            case .equal: SCMP_CMP_EQ
            case .greaterOrEqual: SCMP_CMP_GE
            case .greater: SCMP_CMP_GT
            case .maskedEqual: SCMP_CMP_MASKED_EQ
            }
        }
    }

    public struct Argument: Sendable {
        let index: UInt32
        let comparison: Comparison
        let value: UInt64
        let valueTwo: UInt64
        public init(index: UInt32, comparison: Comparison, value: UInt64, valueTwo: UInt64) {
            self.index = index
            self.comparison = comparison
            self.value = value
            self.valueTwo = valueTwo
        }
    }

    public struct Rule: Sendable {
        let names: [String]
        let action: Action
        let arguments: [Argument]
        public init(names: [String], action: Action, arguments: [Argument]) {
            self.names = names
            self.action = action
            self.arguments = arguments
        }
    }

    /// Names that this machine does not know are skipped, as all runtimes do.
    public static func compile(defaultAction: Action, rules: [Rule]) throws(KernelError) -> SeccompFilter {
        guard let context = seccomp_init(defaultAction.number) else {
            throw KernelError("create", "seccomp filter", code: ENOMEM)
        }
        defer { seccomp_release(context) }
        seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        for rule in rules where rule.action != defaultAction {
            let comparisons = rule.arguments.map { argument in
                scmp_arg_cmp(
                    arg: argument.index, op: argument.comparison.operation, datum_a: argument.value,
                    datum_b: argument.valueTwo)
            }
            for name in rule.names {
                let number = seccomp_syscall_resolve_name(name)
                guard number >= 0 else { continue }
                let result = seccomp_rule_add_array(
                    context, rule.action.number, number, UInt32(comparisons.count), comparisons)
                guard result == 0 || result == -EEXIST else { throw KernelError("filter", name, code: -result) }
            }
        }
        let file = try FileDescriptor(result: swl_memfd("seccomp"), "create", "anonymous file")
        let result = seccomp_export_bpf(context, file.raw)
        guard result == 0 else { throw KernelError("compile", "seccomp filter", code: -result) }
        lseek(file.raw, 0, SEEK_SET)
        var bytes: [UInt8] = []
        while true {
            let chunk = try file.read(upTo: 32 << 10)
            if chunk.isEmpty { break }
            bytes += chunk
        }
        // BPF_MAXINSNS.
        guard bytes.count <= 4096 * 8 else { throw KernelError("load", "seccomp filter", code: E2BIG) }
        return SeccompFilter(bytes: bytes)
    }
}
