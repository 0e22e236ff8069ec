/// A Prometheus histogram.
struct ProxyHistogram: Sendable {
    /// Upper ends of the buckets in seconds; beyond is one more.
    let bounds: [Double]
    private(set) var counts: [UInt64]
    private(set) var count: UInt64 = 0
    private(set) var sum = 0.0

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = [UInt64](repeating: 0, count: bounds.count + 1)
    }

    mutating func observe(_ value: Double) {
        count += 1
        sum += value
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
    }

    /// In Prometheus' text form, with the labels given as `a="b"`.
    func text(_ name: String, help: String, labels: String = "") -> String {
        var text = "# HELP \(name) \(help)\n# TYPE \(name) histogram\n"
        let prefix = labels.isEmpty ? "" : labels + ","
        var total: UInt64 = 0
        for (bound, count) in zip(bounds, counts) {
            total += count
            text += "\(name)_bucket{\(prefix)le=\"\(Self.number(bound))\"} \(total)\n"
        }
        text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(count)\n"
        let suffix = labels.isEmpty ? "" : "{\(labels)}"
        return text + "\(name)_sum\(suffix) \(Self.number(sum))\n\(name)_count\(suffix) \(count)\n"
    }

    /// Whole numbers without a point, as Prometheus' own libraries write them.
    static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
    }
}
