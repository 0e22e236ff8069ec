/// The columns of nodes.
enum NodeColumns {
    static let all: [TableColumn] = [
        .name,
        .text("Status", status),
        .text("Roles", roles),
        .age,
        .text("Version") { $0["status"]["nodeInfo"]["kubeletVersion"].stringValue },
        .text("Internal-IP", priority: 1) { address($0, "InternalIP") },
        .text("External-IP", priority: 1) { address($0, "ExternalIP") },
        .text("OS-Image", priority: 1) { $0["status"]["nodeInfo"]["osImage"].cell("<unknown>") },
        .text("Kernel-Version", priority: 1) { $0["status"]["nodeInfo"]["kernelVersion"].cell("<unknown>") },
        .text("Container-Runtime", priority: 1) {
            $0["status"]["nodeInfo"]["containerRuntimeVersion"].cell("<unknown>")
        },
    ]

    @Sendable private static func status(_ node: JSON) -> String {
        // Of several conditions of the type the last one counts.
        let ready = node["status"]["conditions"].items.last { $0["type"].string == "Ready" }
        let word = ready.map { $0["status"].string == "True" ? "Ready" : "NotReady" } ?? "Unknown"
        return node["spec"]["unschedulable"].bool == true ? "\(word),SchedulingDisabled" : word
    }

    @Sendable private static func roles(_ node: JSON) -> String {
        let prefix = "node-role.kubernetes.io/"
        var roles: Set<String> = []
        for (key, value) in node.labels {
            if key.hasPrefix(prefix), key.utf8.count > prefix.utf8.count {
                roles.insert(String(key.dropFirst(prefix.count)))
            } else if key == "kubernetes.io/role", !value.isEmpty {
                roles.insert(value)
            }
        }
        return roles.isEmpty ? "<none>" : roles.sorted().joined(separator: ",")
    }

    private static func address(_ node: JSON, _ type: String) -> String {
        (node["status"]["addresses"].items.first { $0["type"].string == type }?["address"] ?? .null).cell("<none>")
    }
}
