/// Writes metrics in Prometheus' text form
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
public struct PrometheusText: Sendable {
    public typealias Labels = [(name: String, value: String)]
    public enum Kind: String, Sendable { case counter, gauge, histogram }

    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    public private(set) var text = ""

    public init() {}

    /// Begins a metric; its samples follow.
    public mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    /// One sample. `time`: of what was read earlier than it is asked for.
    public mutating func sample(_ name: String, _ labels: Labels, _ value: Double, at time: Timestamp? = nil) {
        text += "\(name)\(Self.braced(labels)) \(Self.number(value))"
        if let time { text += " \(time.unixNanos / 1_000_000)" }
        text += "\n"
    }
    public mutating func sample(
        _ name: String, _ labels: Labels, _ value: some BinaryInteger, at time: Timestamp? = nil
    ) {
        text += "\(name)\(Self.braced(labels)) \(value)"
        if let time { text += " \(time.unixNanos / 1_000_000)" }
        text += "\n"
    }

    /// A metric of one sample.
    public mutating func one(_ name: String, _ kind: Kind, _ help: String, _ value: some BinaryInteger) {
        family(name, kind, help)
        sample(name, [], value)
    }
    public mutating func one(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        family(name, kind, help)
        sample(name, [], value)
    }

    /// A whole histogram without labels.
    public mutating func one(_ name: String, _ help: String, _ histogram: MetricHistogram) {
        family(name, .histogram, help)
        samples(name, [], histogram)
    }

    /// The samples of a histogram.
    public mutating func samples(_ name: String, _ labels: Labels, _ histogram: MetricHistogram) {
        var prefix = Self.joined(labels)
        if !prefix.isEmpty { prefix += "," }
        var total: UInt64 = 0
        for (bound, count) in zip(histogram.bounds, histogram.counts) {
            total += count
            text += "\(name)_bucket{\(prefix)le=\"\(Self.number(bound))\"} \(total)\n"
        }
        text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(histogram.count)\n"
        sample(name + "_sum", labels, histogram.sum)
        sample(name + "_count", labels, histogram.count)
    }

    /// What another writer has written.
    public mutating func append(_ other: PrometheusText) { text += other.text }

    private static func braced(_ labels: Labels) -> String { labels.isEmpty ? "" : "{\(joined(labels))}" }

    private static func joined(_ labels: Labels) -> String {
        var text = ""
        for (name, value) in labels {
            if !text.isEmpty { text += "," }
            text += "\(name)=\"\(escaped(value))\""
        }
        return text
    }

    static func escaped(_ value: String) -> String {
        guard value.utf8.contains(where: { $0 == 0x22 || $0 == 0x5c || $0 == 0x0a }) else { return value }
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Whole numbers without a point, as Prometheus' own libraries write them.
    public static func number(_ value: Double) -> String {
        value == value.rounded() && value.magnitude < 1e15 ? String(Int64(value)) : String(value)
    }
}

/// Observations in buckets, as Prometheus has them.
public struct MetricHistogram: Sendable {
    /// Upper ends of the buckets, growing; beyond is one more.
    public let bounds: [Double]
    public private(set) var counts: [UInt64]
    public private(set) var count: UInt64 = 0
    public private(set) var sum = 0.0

    public init(bounds: [Double]) {
        self.bounds = bounds
        counts = [UInt64](repeating: 0, count: bounds.count + 1)
    }

    public mutating func observe(_ value: Double) {
        count += 1
        sum += value
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
    }

    /// In seconds.
    public mutating func observe(_ duration: Duration) { observe(duration / .seconds(1)) }
}
