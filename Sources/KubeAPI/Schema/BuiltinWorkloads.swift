/// The kinds of apps/v1 and batch/v1: what keeps pods.
enum BuiltinWorkloads {
    private static let scale = ResourceType.Subresource(
        "scale", kind: "Scale", group: "autoscaling", version: "v1", verbs: BuiltinResources.statusVerbs)

    private static func status(_ kind: String) -> ResourceType.Subresource {
        .init("status", kind: kind, verbs: BuiltinResources.statusVerbs)
    }

    static let all: [ResourceType] = [
        ResourceType(
            .controllerRevisions, singular: "controllerrevision",
            columns: [
                .name, .text("Controller", WorkloadColumns.controller),
                .count("Revision") { $0["revision"].int ?? 0 }, .age,
            ], schema: BuiltinResources.schema("apps/v1.ControllerRevision")),
        ResourceType(
            .daemonSets, singular: "daemonset", shortNames: ["ds"], categories: ["all"],
            subresources: [status("DaemonSet")],
            columns: [
                .name,
                .number("Desired") { $0["status"]["desiredNumberScheduled"].int ?? 0 },
                .number("Current") { $0["status"]["currentNumberScheduled"].int ?? 0 },
                .number("Ready") { $0["status"]["numberReady"].int ?? 0 },
                .number("Up-to-date") { $0["status"]["updatedNumberScheduled"].int ?? 0 },
                .number("Available") { $0["status"]["numberAvailable"].int ?? 0 },
                .text("Node Selector") { TableColumn.labels($0["spec"]["template"]["spec"]["nodeSelector"]) },
                .age,
            ] + WorkloadColumns.template, schema: BuiltinResources.schema("apps/v1.DaemonSet")),
        ResourceType(
            .deployments, singular: "deployment", shortNames: ["deploy"], categories: ["all"],
            subresources: [scale, status("Deployment")],
            columns: [
                .name,
                .text("Ready") { "\($0["status"]["readyReplicas"].int ?? 0)/\($0["spec"]["replicas"].int ?? 0)" },
                .count("Up-to-date") { $0["status"]["updatedReplicas"].int ?? 0 },
                .count("Available") { $0["status"]["availableReplicas"].int ?? 0 },
                .age,
            ] + WorkloadColumns.template, schema: BuiltinResources.schema("apps/v1.Deployment")),
        ResourceType(
            .replicaSets, singular: "replicaset", shortNames: ["rs"], categories: ["all"],
            subresources: [scale, status("ReplicaSet")],
            columns: [
                .name,
                .number("Desired") { $0["spec"]["replicas"].int ?? 0 },
                .number("Current") { $0["status"]["replicas"].int ?? 0 },
                .number("Ready") { $0["status"]["readyReplicas"].int ?? 0 },
                .age,
            ] + WorkloadColumns.template, selectableFields: ["status.replicas"],
            schema: BuiltinResources.schema("apps/v1.ReplicaSet"),
            selectableValue: { set, path in
                path == "status.replicas" ? String(set["status"]["replicas"].int ?? 0) : nil
            }),
        ResourceType(
            .jobs, singular: "job", categories: ["all"], subresources: [status("Job")],
            columns: [
                .name, .text("Status", JobColumns.status), .text("Completions", JobColumns.completions),
                TableColumn("Duration", cell: JobColumns.duration), .age,
            ] + WorkloadColumns.template, selectableFields: ["status.successful"],
            schema: BuiltinResources.schema("batch/v1.Job"),
            selectableValue: { job, path in
                path == "status.successful" ? String(job["status"]["succeeded"].int ?? 0) : nil
            }),
    ]
}
