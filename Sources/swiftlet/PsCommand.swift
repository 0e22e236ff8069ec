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

    func validate() throws {
        guard ["table", "json"].contains(output) else {
            throw ValidationError("--output \(output): it must be table or json")
        }
    }

    func run() async throws {
        let socket = NodeSocket(path: global.paths.kubeletSocket)
        guard let list = try await socket.get("/containers") else {
            throw CommandError(
                "cannot list containers: no daemon listens at \(socket.path); start it by swiftlet up (pods that were "
                    + "left running are adopted)")
        }
        if output == "json" { return printOut(String(decoding: list.prettyPrinted(), as: UTF8.self)) }
        printOut(timings ? Self.timingsTable(list) : Self.table(list))
    }

    static func table(_ list: JSON) -> String {
        var table = TextTable([
            "CONTAINER", "NAMESPACE", "POD", "NAME", "IMAGE", "STATE", "RESTARTS", "PID", "IP", "AGE",
        ])
        for item in list["items"].items {
            let isRunning = item["state"].string == "Running"
            let state = item["state"].stringValue + (item["exitCode"].int.map { " (\($0))" } ?? "")
            table.add([
                String(item["id"].stringValue.prefix(12)), item["namespace"].stringValue, item["pod"].stringValue,
                item["name"].stringValue, item["image"].stringValue, state, String(item["attempt"].int ?? 0),
                isRunning ? String(item["pid"].int ?? 0) : "-", item["ip"].string ?? "-",
                Timestamp(item["createdAt"]).map { (Timestamp.now() - $0).humanDescription } ?? "-",
            ])
        }
        return table.text
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
