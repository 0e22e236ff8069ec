import ArgumentParser
import KubeAPI

/// `swiftlet ps`: the containers of this node, as its daemon knows them.
struct PsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ps", abstract: "List the containers on this node, without asking the API server.")

    @OptionGroup var global: GlobalOptions
    @Option(name: .shortAndLong, help: "table or json.")
    var output = "table"
    @Flag(help: "Show how long each step of building a pod took.")
    var timings = false
    @Flag(name: .shortAndLong, help: "Print ids only.")
    var quiet = false
    @Option(name: .shortAndLong, help: "Only those of this namespace.")
    var namespace: String?
    @Option(help: "Only those of pods whose name begins so.")
    var pod: String?
    @Option(help: "Only those in this state: Running, Exited, or why it waits.")
    var state: String?

    func validate() throws {
        guard ["table", "json"].contains(output) else {
            throw ValidationError("--output \(output): it must be table or json")
        }
    }

    func run() async throws {
        let socket = NodeSocket(path: global.paths.kubeletSocket)
        var list = try await socket.ask("/containers", to: "list containers")
        list["items"] = .array(list["items"].items.filter(isWanted))
        if output == "json" { return printOut(String(decoding: list.prettyPrinted(), as: UTF8.self)) }
        if quiet {
            let ids = list["items"].items.map { $0["id"].stringValue }.filter { !$0.isEmpty }
            if !ids.isEmpty { printOut(ids.joined(separator: "\n")) }
            return
        }
        printOut(timings ? Self.timingsTable(list) : Self.table(list))
    }

    private func isWanted(_ item: JSON) -> Bool {
        if let namespace, item["namespace"].string != namespace { return false }
        if let pod, !item["pod"].stringValue.hasPrefix(pod) { return false }
        if let state, item["state"].stringValue.lowercased() != state.lowercased() { return false }
        return true
    }

    static func table(_ list: JSON) -> String {
        var table = TextTable([
            "CONTAINER", "NAMESPACE", "POD", "NAME", "IMAGE", "COMMAND", "STATE", "RESTARTS", "PID", "IP", "AGE",
        ])
        for item in list["items"].items {
            let isRunning = item["state"].string == "Running"
            let state = item["state"].stringValue + (item["exitCode"].int.map { " (\($0))" } ?? "")
            table.add([
                String(item["id"].stringValue.prefix(12)), item["namespace"].stringValue, item["pod"].stringValue,
                item["name"].stringValue, item["image"].stringValue, command(item), state,
                String(item["attempt"].int ?? 0),
                isRunning ? String(item["pid"].int ?? 0) : "-", item["ip"].string ?? "-",
                Timestamp(item["createdAt"]).map { (Timestamp.now() - $0).humanDescription } ?? "-",
            ])
        }
        return table.text
    }

    /// On one line, no longer than a table bears; `--output json` has all of it.
    private static func command(_ item: JSON) -> String {
        let words = item["command"].items.map(\.stringValue).joined(separator: " ")
        let line = words.split(whereSeparator: { $0.isNewline || $0 == "\t" }).joined(separator: " ")
        if line.isEmpty { return "-" }
        let shown = line.count > 20 ? String(line.prefix(19)) + "…" : line
        return "\"\(shown)\""
    }

    static func timingsTable(_ list: JSON) -> String {
        var table = TextTable(["NAMESPACE", "POD", "STEP", "MS"])
        var seen: Set<String> = []
        for item in list["items"].items where seen.insert(item["uid"].stringValue).inserted {
            for (step, micros) in item["timings"].object ?? JSONObject() {
                let number = micros.int ?? 0
                let hundredths = (number + 5) / 10
                table.add([
                    item["namespace"].stringValue, item["pod"].stringValue, step,
                    "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)",
                ])
            }
        }
        return table.text
    }
}
