import ArgumentParser
import KubeAPI

/// `swiftlet inspect`: all that the node knows of a pod or a container.
struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show a pod or a container of this node, without asking the API server.",
        discussion: "The document has the form of crictl inspect, or of crictl inspectp for a pod.")

    @OptionGroup var global: GlobalOptions
    @Option(name: .shortAndLong, help: "json or yaml.")
    var output = "json"
    @Option(name: .shortAndLong, help: "Show this container of the pod.")
    var container: String?
    @Argument(help: "NAMESPACE/POD, POD, or the beginning of a pod's uid or of a container's id.")
    var targets: [String]

    func validate() throws {
        guard ["json", "yaml"].contains(output) else {
            throw ValidationError("--output \(output): it must be json or yaml")
        }
    }

    func run() async throws {
        let socket = NodeSocket(path: global.paths.kubeletSocket)
        for (index, target) in targets.enumerated() {
            var query = [(name: "target", value: target)]
            if let container { query.append((name: "container", value: container)) }
            let document = try await socket.ask("/node/inspect", query, to: "inspect \(target)")
            if output == "json" {
                printOut(String(decoding: document.prettyPrinted(), as: UTF8.self))
            } else {
                if index > 0 { printOut("---") }
                Swiftlet.write(YAML.serialize(document), to: 1)
            }
        }
    }
}
