import ArgumentParser
import KubeAPI

/// `swiftlet proxy`: the service proxy of this node.
struct ProxyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy", abstract: "Run the service proxy of a node, or look at it.",
        subcommands: [ProxyRunCommand.self, ProxyShowCommand.self], defaultSubcommand: ProxyRunCommand.self)
}

/// `swiftlet proxy show`: what is programmed for services, in words.
struct ProxyShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Say where services are reached on this node, and by what they are served.",
        discussion: "A service is named as NAMESPACE/NAME; NAME alone is one of the namespace default.")

    @OptionGroup var global: GlobalOptions
    @Argument(help: "The service; all where none is given.")
    var service: String?
    @Option(name: .shortAndLong, help: "text or json.")
    var output = "text"

    func validate() throws {
        guard ["text", "json"].contains(output) else {
            throw ValidationError("--output \(output): it must be text or json")
        }
    }

    func run() async throws {
        let socket = NodeSocket(path: global.paths.proxySocket)
        let name = service.map { $0.contains("/") ? $0 : "default/" + $0 }
        // Names of services have no characters that a query must not have.
        let target = "/proxy/services" + (name.map { "?service=\($0)" } ?? "")
        guard let answer = try await socket.get(target) else {
            throw CommandError(
                "cannot show services: no daemon listens at \(socket.path); start it by swiftlet up")
        }
        if output == "json" { return printOut(String(decoding: answer.prettyPrinted(), as: UTF8.self)) }
        let services = answer["services"].items
        if let name, services.isEmpty {
            throw CommandError(
                "nothing is programmed for \(name): it does not exist, is headless or has no address yet")
        }
        printOut("carried by \(answer["mode"].stringValue), table \(answer["table"].stringValue)")
        for service in services { printOut(Self.words(service)) }
    }

    /// One service port in words.
    static func words(_ service: JSON) -> String {
        let port = service["port"].stringValue
        var lines = ["", service["service"].stringValue + (port.isEmpty ? "" : ":\(port)")]
        for front in service["fronts"].items { lines.append("  at " + words(front: front)) }
        if let seconds = service["affinitySeconds"].int {
            lines.append("  a client keeps its endpoint until it has not connected for \(seconds) s")
        }
        let endpoints = service["endpoints"].items
        if endpoints.isEmpty { lines.append("  no endpoint: connections are refused") }
        for endpoint in endpoints {
            var line = "  to \(endpoint["address"].stringValue)"
            if endpoint["local"].bool == true { line += ", on this node" }
            if let count = endpoint["connections"].int { line += ", \(count) open" }
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }

    private static func words(front: JSON) -> String {
        var line = front["place"].stringValue
        if front["external"].bool == true { line += ", for clients outside" }
        if front["local"].bool == true { line += ", to endpoints of this node only" }
        if front["masquerades"].bool == true { line += ", clients that are not pods get the node's address" }
        if front["sources"].array != nil {
            let sources = front["sources"].items.compactMap(\.string)
            line += ", from " + (sources.isEmpty ? "nobody" : sources.joined(separator: ", "))
        }
        return line
    }
}
