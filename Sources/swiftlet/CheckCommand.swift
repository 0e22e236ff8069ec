import ArgumentParser
import Glibc

/// `swiftlet check`: what this machine has, what is missing and how to mend it.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Look at the kernel and the machine; changes nothing.",
        discussion: "Exits with 1 when something is missing without which the daemon can't run.")

    @OptionGroup var global: GlobalOptions
    @Option(name: .shortAndLong, help: "text or json.")
    var output = "text"
    @Flag(help: "Print only what is not well.")
    var quiet = false

    func validate() throws {
        guard ["text", "json"].contains(output) else {
            throw ValidationError("--output \(output): it must be text or json")
        }
    }

    func run() throws {
        let preflight = Preflight(paths: global.paths)
        if output == "json" {
            printOut(String(decoding: preflight.json.prettyPrinted(), as: UTF8.self))
        } else {
            let text = preflight.text(onlyTroubles: quiet)
            if !text.isEmpty { printOut(text) }
        }
        if !preflight.failures.isEmpty { throw ExitCode(1) }
    }
}
