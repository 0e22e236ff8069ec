import KubeAPI

/// What a node's `/metrics/resource` said at one time: what the node and its containers have used.
struct ResourceScrape: Sendable {
    struct ContainerKey: Hashable, Sendable {
        let namespace: String
        let pod: String
        let container: String
    }

    struct Reading: Sendable, Equatable {
        /// Of processor time.
        var at: Timestamp?
        var cpuSeconds: Double?
        var memoryBytes: Int64?
        /// Unix time in seconds.
        var startedAt: Double?

        var isWhole: Bool { at != nil && cpuSeconds != nil && memoryBytes != nil }
    }

    private(set) var node = Reading()
    private(set) var containers: [ContainerKey: Reading] = [:]

    /// Reads Prometheus' text form. Lines that it does not understand, and metrics that it does not know, are left out.
    init(_ text: [UInt8]) {
        for line in text.split(separator: UInt8(ascii: "\n")) where line.first != UInt8(ascii: "#") {
            guard let sample = Sample(line) else { continue }
            switch sample.name {
            case "node_cpu_usage_seconds_total", "node_memory_working_set_bytes": sample.add(to: &node)
            case "container_cpu_usage_seconds_total", "container_memory_working_set_bytes",
                "container_start_time_seconds":
                guard let pod = sample.labels["pod"], let namespace = sample.labels["namespace"],
                    let container = sample.labels["container"]
                else { continue }
                let key = ContainerKey(namespace: namespace, pod: pod, container: container)
                sample.add(to: &containers[key, default: Reading()])
            default: break
            }
        }
        containers = containers.filter(\.value.isWhole)
    }

    /// `name{label="value",…} value [milliseconds]`
    private struct Sample {
        let name: String
        var labels: [String: String] = [:]
        let value: Double
        let time: Timestamp?

        init?(_ line: ArraySlice<UInt8>) {
            guard
                let nameEnd = line.firstIndex(where: { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: " ") })
            else { return nil }
            name = String(decoding: line[..<nameEnd], as: UTF8.self)
            var rest = line[nameEnd...]
            if rest.first == UInt8(ascii: "{") {
                guard let labels = Self.labels(&rest) else { return nil }
                self.labels = labels
            }
            let fields = rest.split(separator: UInt8(ascii: " "))
            guard let first = fields.first, let value = Double(String(decoding: first, as: UTF8.self)),
                value.isFinite, value >= 0, value < 1e18
            else { return nil }
            self.value = value
            time = fields.dropFirst().first.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
                .flatMap { (0..<9_000_000_000_000).contains($0) ? Timestamp(unixNanos: $0 * 1_000_000) : nil }
        }

        /// Takes the braces and what is in them.
        private static func labels(_ rest: inout ArraySlice<UInt8>) -> [String: String]? {
            var labels: [String: String] = [:]
            rest = rest.dropFirst()
            while let next = rest.first {
                if next == UInt8(ascii: "}") {
                    rest = rest.dropFirst()
                    return labels
                }
                if next == UInt8(ascii: ",") {
                    rest = rest.dropFirst()
                    continue
                }
                guard let equals = rest.firstIndex(of: UInt8(ascii: "=")) else { return nil }
                let name = String(decoding: rest[..<equals], as: UTF8.self)
                rest = rest[(equals + 1)...]
                guard rest.first == UInt8(ascii: "\""), let value = quoted(&rest) else { return nil }
                labels[name] = value
            }
            return nil
        }

        /// Takes a value with its quotes.
        private static func quoted(_ rest: inout ArraySlice<UInt8>) -> String? {
            var value: [UInt8] = []
            rest = rest.dropFirst()
            while let byte = rest.popFirst() {
                switch byte {
                case UInt8(ascii: "\""): return String(decoding: value, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let escaped = rest.popFirst() else { return nil }
                    value.append(escaped == UInt8(ascii: "n") ? UInt8(ascii: "\n") : escaped)
                default: value.append(byte)
                }
            }
            return nil
        }

        func add(to reading: inout Reading) {
            if name.hasSuffix("_start_time_seconds") {
                reading.startedAt = value
            } else if name.hasSuffix("_bytes") {
                reading.memoryBytes = Int64(value)
            } else {
                reading.cpuSeconds = value
                // A node without times of its own was read just now.
                reading.at = time ?? .now()
            }
        }
    }
}
