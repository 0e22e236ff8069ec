import ArgumentParser
import Glibc
import KubeAPI
import Kernel

/// `swiftlet exec`: runs a program in a container.
struct ExecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Run a program in a container of this node, without asking the API server.",
        usage: "swiftlet exec [-i] [-t] [-c CONTAINER] TARGET -- PROGRAM [ARGUMENT...]",
        discussion: "Ends with the program's exit code.")

    @OptionGroup var global: GlobalOptions
    @Flag(name: [.customShort("i"), .customLong("stdin")], help: "Give the program this command's standard input.")
    var givesInput = false
    @Flag(name: .shortAndLong, help: "Run it on a terminal.")
    var tty = false
    @Option(name: .shortAndLong, help: "Container of the pod (default: the first).")
    var container: String?
    @Argument(help: "NAMESPACE/POD, POD, or the beginning of a pod's uid or of a container's id.")
    var target: String
    @Argument(help: "The program and its arguments, behind --.")
    var command: [String]

    func run() throws {
        // Writing to a program that has ended is no reason to end.
        signal(SIGPIPE, SIG_IGN)
        do {
            let request: JSON = [
                "target": .string(target), "container": container.map { .string($0) } ?? .null,
                "command": .array(command.map { .string($0) }), "tty": .bool(tty),
                "stdin": .bool(givesInput || tty),
            ]
            let client = try ExecClient(
                folder: global.paths.execFolder, request: request, givesInput: givesInput, hasTerminal: tty)
            let code = try client.run()
            if code != 0 { throw ExitCode(Int32(clamping: code)) }
        } catch let error as CommandError {
            throw CommandError("cannot execute \(command.first ?? "") in \(target): \(error)")
        }
    }
}
