/// What a flag of the original means here.
struct OldFlag: Sendable {
    enum Meaning: Sendable {
        /// A flag of ours by this name, with the same value.
        case ours(String)
        /// A flag of ours by this name with another value; nil where the value is refused.
        case translated(String, @Sendable (String) -> String?)
        /// Nothing any more; why.
        case nothing(String)
    }

    let meaning: Meaning
    /// A switch: no value has to follow.
    let isSwitch: Bool

    static func ours(_ name: String) -> OldFlag { OldFlag(meaning: .ours(name), isSwitch: false) }
    static func ours(_ name: String, _ value: @escaping @Sendable (String) -> String?) -> OldFlag {
        OldFlag(meaning: .translated(name, value), isSwitch: false)
    }

    /// Flags that mean nothing, by names without dashes before them: `v cluster-name`. A star marks a switch.
    static func nothing(_ why: String, _ names: String) -> [String: OldFlag] {
        var flags: [String: OldFlag] = [:]
        for name in names.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            let isSwitch = name.hasPrefix("*")
            flags[String(isSwitch ? name.dropFirst() : name)] = OldFlag(meaning: .nothing(why), isSwitch: isSwitch)
        }
        return flags
    }
}
