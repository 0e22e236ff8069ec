import ArgumentParser
import Glibc
import KubeAPI

/// `swiftlet stats`: what the containers of this node use.
struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Show what containers of this node use, without asking the API server.",
        discussion: "CPU is the mean between two readings, in thousandths of a processor and in percent of one.")

    @OptionGroup var global: GlobalOptions
    @Option(name: .shortAndLong, help: "table or json.")
    var output = "table"
    @Option(name: .shortAndLong, help: "Seconds between the two readings.")
    var seconds = 1.0
    @Flag(name: .shortAndLong, help: "Go on, a table each time.")
    var watch = false
    @Argument(help: "NAMESPACE/POD, POD, or the beginning of a pod's uid or of a container's id (default: all).")
    var target: String?

    func validate() throws {
        guard ["table", "json"].contains(output) else {
            throw ValidationError("--output \(output): it must be table or json")
        }
        guard seconds >= 0.05, seconds <= 3600 else {
            throw ValidationError("--seconds \(seconds): it must be within 0.05-3600")
        }
    }

    func run() async throws {
        var earlier = try await read()
        repeat {
            try await Task.sleep(for: .seconds(seconds))
            let later = try await read()
            let rated = Self.rated(earlier, later)
            if output == "json" {
                printOut(String(decoding: rated.prettyPrinted(), as: UTF8.self))
            } else {
                printOut(Self.table(rated))
            }
            earlier = later
        } while watch
    }

    private func read() async throws -> JSON {
        try await NodeSocket(path: global.paths.kubeletSocket).ask(
            "/node/stats", target.map { [(name: "target", value: $0)] } ?? [],
            to: target.map { "show what \($0) uses" } ?? "show what containers use")
    }

    /// The later reading, with the mean rate since the earlier one.
    static func rated(_ earlier: JSON, _ later: JSON) -> JSON {
        var before: [String: JSON] = [:]
        for item in earlier["items"].items { before[item["id"].stringValue] = item }
        var rated = later
        rated["items"] = .array(
            later["items"].items.map { item in
                var item = item
                guard let old = before[item["id"].stringValue], let start = Timestamp(old["timestamp"]),
                    let end = Timestamp(item["timestamp"]), end > start
                else { return item }
                let used =
                    (item["cpu"]["usageCoreNanoSeconds"].int ?? 0) - (old["cpu"]["usageCoreNanoSeconds"].int ?? 0)
                let nanos = Double((end - start).nanoseconds)
                item["cpu"]["usageNanoCores"] = .int(Int64(Double(max(0, used)) / nanos * 1e9))
                return item
            })
        return rated
    }

    static func table(_ list: JSON) -> String {
        var table = TextTable([
            "CONTAINER", "NAMESPACE", "POD", "NAME", "CPU(cores)", "CPU %", "MEMORY", "LIMIT", "PROCESSES",
        ])
        for item in list["items"].items {
            let rate = item["cpu"]["usageNanoCores"].int
            table.add([
                String(item["id"].stringValue.prefix(12)), item["namespace"].stringValue, item["pod"].stringValue,
                item["name"].stringValue, rate.map { "\(($0 + 999_999) / 1_000_000)m" } ?? "-",
                rate.map { decimal(hundredths: $0 / 100_000) } ?? "-",
                bytes(item["memory"]["workingSetBytes"].int ?? 0), item["memory"]["limitBytes"].int.map(bytes) ?? "-",
                String(item["processes"].int ?? 0),
            ])
        }
        return table.text
    }

    private static func decimal(hundredths: Int) -> String {
        "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }

    /// One digit after the point: `312.0Ki`, `1.5Mi`.
    static func bytes(_ count: Int) -> String {
        var unit = 1 << 10
        var name = "Ki"
        for next in ["Mi", "Gi", "Ti"] where count >= unit << 10 {
            unit <<= 10
            name = next
        }
        let tenths = count / (unit / 16) * 10 / 16
        return "\(tenths / 10).\(tenths % 10)\(name)"
    }
}
