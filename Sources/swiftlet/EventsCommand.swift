import ArgumentParser
import Glibc
import KubeAPI

/// `swiftlet events`: what has happened to this node and its pods since the daemon's start.
struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "List what happened on this node, without asking the API server.",
        discussion: "The daemon keeps the newest 1000 events in memory; what happened before its start is not listed.")

    @OptionGroup var global: GlobalOptions
    @Option(name: .shortAndLong, help: "table or json.")
    var output = "table"
    @Option(name: .shortAndLong, help: "Only those of this namespace.")
    var namespace: String?
    @Option(help: "Only those of the pod of this name.")
    var pod: String?
    @Flag(name: .shortAndLong, help: "Go on as more happens.")
    var follow = false

    func validate() throws {
        guard ["table", "json"].contains(output) else {
            throw ValidationError("--output \(output): it must be table or json")
        }
    }

    func run() async throws {
        let socket = NodeSocket(path: global.paths.kubeletSocket)
        var query: [(name: String, value: String)] = []
        if let namespace { query.append((name: "namespace", value: namespace)) }
        if let pod { query.append((name: "pod", value: pod)) }
        guard follow else {
            let list = try await socket.ask("/node/events", query, to: "list events")
            if output == "json" { return printOut(String(decoding: list.prettyPrinted(), as: UTF8.self)) }
            var table = TextTable(Self.header)
            for event in list["items"].items { table.add(Self.row(event)) }
            return printOut(table.text)
        }
        query.append((name: "follow", value: "true"))
        let isTable = output == "table"
        if isTable { printOut(Self.line(Self.header)) }
        var lines = Lines()
        try await socket.stream("/node/events", query, to: "follow events") { piece in
            for line in lines.add(piece) {
                let text = isTable ? Self.line(Self.row(try JSON.parse(line))) : String(decoding: line, as: UTF8.self)
                guard Swiftlet.write(Array((text + "\n").utf8), to: STDOUT_FILENO) else {
                    throw CommandError("nobody reads the output")
                }
            }
        }
    }

    private static let header = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]

    private static func row(_ event: JSON) -> [String] {
        let object = event["involvedObject"]
        let count = event["count"].int ?? 1
        let age = Timestamp(event["lastTimestamp"]).map { (Timestamp.now() - $0).humanDescription } ?? "-"
        let name = [object["namespace"].string, object["name"].string].compactMap(\.self).joined(separator: "/")
        return [
            count > 1 ? "\(age) (x\(count))" : age, event["type"].stringValue, event["reason"].stringValue,
            "\(object["kind"].stringValue.lowercased())/\(name)", event["message"].stringValue,
        ]
    }

    /// A row of a table that has no end, so that its widths can't be known.
    private static func line(_ row: [String]) -> String {
        zip(row, [14, 9, 20, 40, 0]).map { cell, width in
            cell + String(repeating: " ", count: max(width == 0 ? 0 : 3, width - cell.count))
        }.joined()
    }
}

/// Cuts a stream into its lines.
private struct Lines {
    private var rest: [UInt8] = []

    mutating func add(_ piece: [UInt8]) -> [[UInt8]] {
        rest += piece
        var lines: [[UInt8]] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(Array(rest[..<end]))
            rest.removeFirst(end + 1)
        }
        return lines
    }
}
