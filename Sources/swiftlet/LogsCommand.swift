import ArgumentParser
import Glibc
import KubeAPI

/// `swiftlet logs`: what a container has written.
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print the log of a container of this node, without asking the API server.")

    @OptionGroup var global: GlobalOptions
    @Option(name: .shortAndLong, help: "Container of the pod (default: the first).")
    var container: String?
    @Flag(name: .shortAndLong, help: "Go on as the log grows.")
    var follow = false
    @Flag(name: .shortAndLong, help: "Print that of the run before.")
    var previous = false
    @Flag(name: .shortAndLong, help: "Print the time of each line.")
    var timestamps = false
    @Option(help: "Only the last lines, so many of them.")
    var tail: Int?
    @Option(help: "Only what is newer than this duration, such as 90s or 5m.")
    var since: String?
    @Option(help: "Only what is newer than this time, in RFC 3339.")
    var sinceTime: String?
    @Option(help: "At most so many bytes.")
    var limitBytes: Int?
    @Argument(help: "NAMESPACE/POD, POD, or the beginning of a pod's uid or of a container's id.")
    var target: String

    func validate() throws {
        if let tail, tail < -1 { throw ValidationError("--tail \(tail): it must be a number of lines, or -1 for all") }
        if let since, sinceSeconds == nil {
            throw ValidationError("--since \(since): it must be a duration such as 5m")
        }
        if since != nil, sinceTime != nil { throw ValidationError("--since and --since-time exclude each other") }
    }

    private var sinceSeconds: Int64? {
        guard let duration = since.flatMap({ Duration(goDuration: $0) }), duration > .zero else { return nil }
        return max(1, duration.components.seconds)
    }

    func run() async throws {
        let socket = NodeSocket(path: global.paths.kubeletSocket)
        let purpose = "show the log of \(target)"
        var query = [(name: "target", value: target)]
        if let container { query.append((name: "container", value: container)) }
        let found = try await socket.ask("/node/find", query, to: purpose)
        let name = found["container"].stringValue
        let names = found["containers"].items.map(\.stringValue)
        if found["isContainerGiven"].bool == false, names.count > 1 {
            Swiftlet.write(
                "Defaulted container \"\(name)\" out of: \(names.joined(separator: ", "))\n", to: STDERR_FILENO)
        }
        let path = "/containerLogs/\(found["namespace"].stringValue)/\(found["pod"].stringValue)/\(name)"
        // The id of a run that is not the newest means the log of that run.
        let isPrevious = previous || container == nil && found["isPrevious"].bool == true
        try await socket.stream(path, options(isPrevious: isPrevious), to: purpose) { piece in
            guard Swiftlet.write(piece, to: STDOUT_FILENO) else { throw CommandError("nobody reads the output") }
        }
    }

    private func options(isPrevious: Bool) -> [(name: String, value: String)] {
        var options: [(name: String, value: String)] = []
        if follow { options.append(("follow", "true")) }
        if isPrevious { options.append(("previous", "true")) }
        if timestamps { options.append(("timestamps", "true")) }
        if let tail, tail >= 0 { options.append(("tailLines", String(tail))) }
        if let seconds = sinceSeconds { options.append(("sinceSeconds", String(seconds))) }
        if let sinceTime { options.append(("sinceTime", sinceTime)) }
        if let limitBytes { options.append(("limitBytes", String(limitBytes))) }
        return options
    }
}
