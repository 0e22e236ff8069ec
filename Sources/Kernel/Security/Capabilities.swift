import CCap
import Glibc

/// Sets of capabilities, as masks of their numbers.
public struct CapabilitySet: Sendable, Hashable, CustomStringConvertible {
    public var mask: UInt64

    public init(mask: UInt64) { self.mask = mask }

    /// From names with or without `CAP_`, in any case; the first one that nobody knows is thrown as the subject of an
    /// EINVAL. `ALL` is all that this process may hand out.
    public init(names: some Sequence<String>) throws(KernelError) {
        mask = 0
        for name in names {
            if name.uppercased() == "ALL" {
                mask |= Self.bounding().mask
                continue
            }
            guard let number = Self.number(name) else { throw KernelError("find", "capability \(name)", code: EINVAL) }
            mask |= 1 << UInt64(number)
        }
    }

    /// The number of a capability, nil for a name that the kernel's headers do not have.
    public static func number(_ name: String) -> Int? {
        let lower = name.lowercased()
        var value: cap_value_t = 0
        guard cap_from_name(lower.hasPrefix("cap_") ? lower : "cap_" + lower, &value) == 0, (0..<64).contains(value)
        else {
            return nil
        }
        return Int(value)
    }

    public func contains(_ name: String) -> Bool { Self.number(name).map { mask >> UInt64($0) & 1 == 1 } ?? false }
    public func intersection(_ other: CapabilitySet) -> CapabilitySet { CapabilitySet(mask: mask & other.mask) }

    /// What any process started by this one can ever have.
    public static func bounding() -> CapabilitySet { ofThisProcess("CapBnd:") }
    /// What this process may do now.
    public static func effective() -> CapabilitySet { ofThisProcess("CapEff:") }

    private static func ofThisProcess(_ key: String) -> CapabilitySet {
        guard let text = KernelFile.readIfPresent("/proc/self/status") else { return CapabilitySet(mask: 0) }
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return CapabilitySet(mask: UInt64(KernelFile.trimmed(String(line.dropFirst(key.count))), radix: 16) ?? 0)
        }
        return CapabilitySet(mask: 0)
    }

    public var description: String {
        (0..<64).filter { mask >> UInt64($0) & 1 == 1 }.map { number in
            guard let name = cap_to_name(cap_value_t(number)) else { return "\(number)" }
            defer { cap_free(name) }
            return String(cString: name).uppercased()
        }.joined(separator: ",")
    }
}
