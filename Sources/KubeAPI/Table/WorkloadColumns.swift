/// Cells that controllers of pods share.
enum WorkloadColumns {
    /// A field of the template's containers, joined.
    static func containers(_ object: JSON, _ field: String) -> String {
        object["spec"]["template"]["spec"]["containers"].items.map { $0[field].stringValue }.joined(separator: ",")
    }
}
