/// Durations in buckets, as Prometheus has them.
struct Histogram: Sendable {
    let bounds: [Double]
    private(set) var buckets: [Int]
    private(set) var count = 0
    private(set) var sum: Double = 0

    init(bounds: [Double]) {
        self.bounds = bounds
        buckets = [Int](repeating: 0, count: bounds.count)
    }

    mutating func observe(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let value = Double(seconds) + Double(attoseconds) / 1e18
        count += 1
        sum += value
        if let index = bounds.firstIndex(where: { value <= $0 }) { buckets[index] += 1 }
    }

    /// The series, with these labels (`a="b"`; empty for none).
    func text(_ name: String, labels: String) -> String {
        var text = ""
        var total = 0
        let prefix = labels.isEmpty ? "" : labels + ","
        for (bound, bucket) in zip(bounds, buckets) {
            total += bucket
            text += "\(name)_bucket{\(prefix)le=\"\(Self.number(bound))\"} \(total)\n"
        }
        let suffix = labels.isEmpty ? "" : "{\(labels)}"
        text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(count)\n"
        return text + "\(name)_sum\(suffix) \(sum)\n\(name)_count\(suffix) \(count)\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && value.magnitude < 1e15 ? String(Int(value)) : String(value)
    }
}
