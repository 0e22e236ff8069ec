import ArgumentParser
import Glibc
import KubeAPI

/// The binary: one sub-command per component and per task.
@main
struct Swiftlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract: "A Kubernetes in one binary: API server, scheduler, controllers, node agent and service proxy.",
        version: KubernetesVersion.gitVersion,
        subcommands: [
            UpCommand.self, ServerCommand.self, AgentCommand.self, APIServerCommand.self, SchedulerCommand.self,
            ControllerManagerCommand.self, KubeletCommand.self, CheckCommand.self, KubeconfigCommand.self,
            ImageCommand.self,
            PsCommand.self, InspectCommand.self, LogsCommand.self, StatsCommand.self, EventsCommand.self,
            ExecCommand.self, ProxyCommand.self, ForwardCommand.self, MigrateCommand.self, ResetCommand.self,
            VersionCommand.self,
        ])

    /// Parses the command line after the settings of the config file, runs, and turns an error into one line and a
    /// status.
    static func main() async {
        do {
            var command = try parseAsRoot(try argumentsWithConfig())
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let error as CommandError {
            write("error: \(error)\n", to: STDERR_FILENO)
            Glibc.exit(1)
        } catch {
            exit(withError: error)
        }
    }

    /// The process's arguments; for the daemons, the config file's settings are put before the flags, so that flags win.
    private static func argumentsWithConfig() throws -> [String] {
        var arguments = Array(CommandLine.arguments.dropFirst())
        if Hyperkube.isCalled || arguments.first == "hyperkube" {
            if !Hyperkube.isCalled { arguments.removeFirst() }
            arguments = try Hyperkube.translate(
                arguments,
                knows: { component, flag in daemons[component].map { knows($0, flag) } ?? false },
                warn: { write("warning: \($0)\n", to: STDERR_FILENO) })
        }
        guard let verb = arguments.first, let daemon = daemons[verb] else { return arguments }
        arguments = Spelling.plain(arguments)
        let isDaemon = verb != "proxy" || arguments.count < 2 || arguments[1].hasPrefix("-") || arguments[1] == "run"
        guard isDaemon, !arguments.contains("--help"), !arguments.contains("-h") else { return arguments }
        let given = value(of: "--config", in: arguments)
        let paths = Paths(
            root: value(of: "--root", in: arguments) ?? "/", dataDir: nil, runDir: nil, manifests: nil,
            configFile: given)
        let settings = try ConfigFile.settings(path: paths.configFile, isRequired: given != nil)
        if verb == "proxy" { arguments.removeAll { $0 == "run" } }
        return [verb] + settings.filter { isMeant($0, for: daemon) }.flatMap(\.arguments) + arguments.dropFirst()
    }

    /// Those that read the config file.
    private static let daemons: [String: any ParsableCommand.Type] = [
        "up": UpCommand.self, "server": ServerCommand.self, "agent": AgentCommand.self,
        "apiserver": APIServerCommand.self, "scheduler": SchedulerCommand.self,
        "controller-manager": ControllerManagerCommand.self, "kubelet": KubeletCommand.self,
        "proxy": ProxyRunCommand.self,
    ]

    /// One file may serve several components: what another one alone knows is not meant for this one. What none knows
    /// is an error of the file's, which the parser tells.
    private static func isMeant(_ setting: ConfigFile.Setting, for daemon: any ParsableCommand.Type) -> Bool {
        knows(daemon, setting.key) || !daemons.values.contains { knows($0, setting.key) }
    }

    private static func knows(_ command: any ParsableCommand.Type, _ flag: String) -> Bool {
        // The parser tells its flags by their help alone.
        command.helpMessage(columns: 10_000).split(separator: "\n").contains { line in
            line.split { " ,/".contains($0) }.contains { $0 == "--" + flag }
        }
    }

    private static func value(of flag: String, in arguments: [String]) -> String? {
        for (position, argument) in arguments.enumerated() {
            if argument == flag { return arguments.dropFirst(position + 1).first }
            if argument.hasPrefix(flag + "=") { return String(argument.dropFirst(flag.count + 1)) }
        }
        return nil
    }

    static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    /// False where nobody reads on.
    @discardableResult
    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }
}

/// Prints to standard output.
func printOut(_ text: String) { Swiftlet.write(text + "\n", to: STDOUT_FILENO) }
