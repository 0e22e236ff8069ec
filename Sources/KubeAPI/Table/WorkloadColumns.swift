/// Cells that controllers of pods share.
enum WorkloadColumns {
    /// A field of the template's containers, joined.
    static func containers(_ object: JSON, _ field: String) -> String {
        object["spec"]["template"]["spec"]["containers"].items.map { $0[field].stringValue }.joined(separator: ",")
    }

    /// What is shown of the template and the selector with -o wide.
    static let template: [TableColumn] = [
        .text("Containers", priority: 1) { containers($0, "name") },
        .text("Images", priority: 1) { containers($0, "image") },
        .text("Selector", priority: 1) { selector($0["spec"]["selector"]) },
    ]

    /// A LabelSelector in the form of queries, as Kubernetes prints it: plain labels as `a=b`.
    static func selector(_ selector: JSON) -> String {
        let text = LabelSelector(selector).description
        return text.isEmpty ? "<none>" : text
    }

    /// `daemonset.apps/web`; `<none>` for what has no controller.
    static func controller(_ object: JSON) -> String {
        guard let owner = object.controllerReference else { return "<none>" }
        let version = owner["apiVersion"].stringValue
        let group = version.contains("/") ? "." + (version.split(separator: "/").first ?? "") : ""
        return "\(owner["kind"].stringValue.lowercased())\(group)/\(owner["name"].stringValue)"
    }
}
