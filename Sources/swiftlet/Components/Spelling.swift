/// How the command lines of components may be spelt: an underscore in a flag's name counts as a dash, and a switch may
/// have a value, as both have it in Kubernetes.
enum Spelling {
    /// Switches of ours, all with a `--no-` form where `hasOpposite`.
    private static let switches: [String: Bool] = ["leader-elect": true, "masquerade-all": false]

    /// `--leader_elect=false` becomes `--no-leader-elect`. What is behind `--` is left alone.
    static func plain(_ arguments: [String]) -> [String] {
        var isOver = false
        return arguments.flatMap { argument -> [String] in
            if argument == "--" { isOver = true }
            guard !isOver, argument.hasPrefix("--"), argument.count > 2 else { return [argument] }
            let (name, value) = split(argument)
            guard let value else { return ["--" + name] }
            guard let hasOpposite = switches[name], let isOn = boolean(value) else { return ["--\(name)=\(value)"] }
            if isOn { return ["--" + name] }
            return hasOpposite ? ["--no-" + name] : []
        }
    }

    /// The name with dashes and without those before it; the value behind the equals sign.
    static func split(_ argument: String) -> (name: String, value: String?) {
        let parts = argument.drop { $0 == "-" }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (parts[0].map { $0 == "_" ? "-" : String($0) }.joined(), parts.count > 1 ? String(parts[1]) : nil)
    }

    /// As Go's flags read it.
    static func boolean(_ text: String) -> Bool? {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": true
        case "0", "f", "F", "false", "FALSE", "False": false
        default: nil
        }
    }
}
