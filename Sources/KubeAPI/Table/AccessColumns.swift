/// The columns of roles and bindings.
enum AccessColumns {
    static let role: [TableColumn] = [
        .name,
        TableColumn("Created At", type: "date") { object, _ in object["metadata"]["creationTimestamp"] },
    ]

    static let binding: [TableColumn] = [
        .name,
        .text("Role") { "\($0["roleRef"]["kind"].stringValue)/\($0["roleRef"]["name"].stringValue)" },
        .age,
        .text("Users", priority: 1) { subjects($0, "User") },
        .text("Groups", priority: 1) { subjects($0, "Group") },
        .text("ServiceAccounts", priority: 1) { subjects($0, "ServiceAccount") },
    ]

    private static func subjects(_ binding: JSON, _ kind: String) -> String {
        binding["subjects"].items.filter { $0["kind"].string == kind }.map { subject in
            kind == "ServiceAccount"
                ? "\(subject["namespace"].stringValue)/\(subject["name"].stringValue)" : subject["name"].stringValue
        }.joined(separator: ", ")
    }
}
