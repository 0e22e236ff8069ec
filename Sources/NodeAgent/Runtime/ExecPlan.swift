import Kernel

/// Turns what is to be executed in a container into a plan. What it leaves open is the container's: the supervisor keeps
/// the container's own plan.
struct ExecPlan {
    let id: String
    let containerID: String
    let spec: ExecSpec
    /// For programs on a terminal of which nobody says what it can do.
    private static let term = "TERM=xterm"

    static func newID() -> String {
        (0..<4).map { _ in
            let digits = String(UInt64.random(in: .min ... .max), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    func checked() throws(RuntimeError) -> ExecPlan {
        func refuse(_ what: String) throws(RuntimeError) { throw RuntimeError(.invalidSpec, what) }
        if spec.args.first?.isEmpty ?? true { try refuse("no command specified") }
        for variable in spec.env where !variable.contains("=") { try refuse("environment variable without a value") }
        if let folder = spec.workingDir, !folder.hasPrefix("/") {
            try refuse("working directory \"\(folder)\" is not an absolute path")
        }
        for text in spec.args + spec.env + [spec.workingDir ?? ""] where text.utf8.contains(0) {
            try refuse("text with a zero byte")
        }
        return self
    }

    var bytes: [UInt8] {
        var plan = PlanWriter()
        plan.text(.id, id)
        plan.text(.target, containerID)
        plan.number(.flags, spec.tty ? PlanWriter.Flags.terminal.rawValue : 0)
        if spec.tty, let window = spec.window { plan.window(window) }
        for argument in spec.args { plan.text(.argument, argument) }
        if spec.tty, !spec.env.contains(where: { $0.hasPrefix("TERM=") }) {
            plan.text(.environment, Self.term)
        }
        for variable in spec.env { plan.text(.environment, variable) }
        if let folder = spec.workingDir { plan.text(.directory, folder) }
        return plan.bytes
    }
}
