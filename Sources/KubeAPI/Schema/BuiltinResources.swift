/// The built-in kinds, as discovery tells them. Another kind is one entry here and one in tools/generate-schemas.
enum BuiltinResources {
    static func schema(_ name: String) -> Schema {
        SchemaTable.shared[name] ?? Schema(typeName: name, fields: [])
    }
    /// Of `status` and `scale`.
    static let statusVerbs = ["get", "patch", "update"]

    static let actions: [ResourceType] =
        [
            ResourceType(
                ResourcePath(resource: "bindings", kind: "Binding"), singular: "binding", verbs: ["create"],
                columns: [],
                schema: schema("core/v1.Binding"))
        ] + BuiltinAccess.reviews

    static let all: [ResourceType] = core + BuiltinWorkloads.all + others + BuiltinAccess.roles

    private static let core: [ResourceType] = [
        ResourceType(
            .configMaps, singular: "configmap", shortNames: ["cm"],
            columns: [
                .name,
                .count("Data") { ($0["data"].object?.count ?? 0) + ($0["binaryData"].object?.count ?? 0) },
                .age,
            ], schema: schema("core/v1.ConfigMap")),
        ResourceType(
            .endpoints, singular: "endpoints", shortNames: ["ep"],
            columns: [.name, .text("Endpoints", EndpointColumns.endpoints), .age],
            schema: schema("core/v1.Endpoints")),
        ResourceType(
            .events, singular: "event", shortNames: ["ev"], columns: EventColumns.all,
            selectableFields: [
                "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
                "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
                "reportingComponent", "source", "type",
            ], schema: schema("core/v1.Event"),
            selectableValue: { event, path in
                path == "source"
                    ? event["source"]["component"].string.nonEmpty ?? event["reportingComponent"].stringValue : nil
            }),
        ResourceType(
            .namespaces, singular: "namespace", shortNames: ["ns"],
            verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
            subresources: [
                .init("finalize", kind: "Namespace", verbs: ["update"]),
                .init("status", kind: "Namespace", verbs: statusVerbs),
            ],
            columns: [.name, .text("Status") { $0["status"]["phase"].stringValue }, .age],
            selectableFields: ["status.phase"], schema: schema("core/v1.Namespace")),
        ResourceType(
            .nodes, singular: "node", shortNames: ["no"],
            subresources: [
                .init("proxy", kind: "NodeProxyOptions", verbs: ["get"]),
                .init("status", kind: "Node", verbs: statusVerbs),
            ], columns: NodeColumns.all,
            selectableFields: ["spec.unschedulable"], schema: schema("core/v1.Node"),
            selectableValue: { node, path in
                path == "spec.unschedulable" ? String(node["spec"]["unschedulable"].bool ?? false) : nil
            }),
        ResourceType(
            .pods, singular: "pod", shortNames: ["po"], categories: ["all"],
            subresources: [
                .init("attach", kind: "PodAttachOptions", verbs: ["create", "get"]),
                .init("binding", kind: "Binding", verbs: ["create"]),
                .init("ephemeralcontainers", kind: "Pod", verbs: statusVerbs),
                .init("eviction", kind: "Eviction", group: "policy", version: "v1", verbs: ["create"]),
                .init("exec", kind: "PodExecOptions", verbs: ["create", "get"]),
                .init("log", kind: "Pod", verbs: ["get"]),
                .init("portforward", kind: "PodPortForwardOptions", verbs: ["create", "get"]),
                .init("status", kind: "Pod", verbs: statusVerbs),
            ], columns: PodColumns.all,
            selectableFields: [
                "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
                "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
            ], schema: schema("core/v1.Pod"),
            selectableValue: { pod, path in
                switch path {
                case "spec.hostNetwork": String(pod["spec"]["hostNetwork"].bool ?? false)
                case "status.podIPs":
                    pod["status"]["podIPs"].items.map { $0["ip"].stringValue }.joined(separator: ",")
                default: nil
                }
            }),
        ResourceType(
            .replicationControllers, singular: "replicationcontroller", shortNames: ["rc"], categories: ["all"],
            subresources: [
                .init("scale", kind: "Scale", group: "autoscaling", version: "v1", verbs: statusVerbs),
                .init("status", kind: "ReplicationController", verbs: statusVerbs),
            ],
            columns: [
                .name,
                .number("Desired") { $0["spec"]["replicas"].int ?? 0 },
                .number("Current") { $0["status"]["replicas"].int ?? 0 },
                .number("Ready") { $0["status"]["readyReplicas"].int ?? 0 },
                .age,
                .text("Containers", priority: 1) { WorkloadColumns.containers($0, "name") },
                .text("Images", priority: 1) { WorkloadColumns.containers($0, "image") },
                .text("Selector", priority: 1) { TableColumn.labels($0["spec"]["selector"]) },
            ], selectableFields: ["status.replicas"], schema: schema("core/v1.ReplicationController"),
            selectableValue: { controller, path in
                path == "status.replicas" ? String(controller["status"]["replicas"].int ?? 0) : nil
            }),
        ResourceType(
            .secrets, singular: "secret",
            columns: [
                .name, .text("Type") { $0["type"].stringValue }, .count("Data") { $0["data"].object?.count ?? 0 }, .age,
            ], selectableFields: ["type"], schema: schema("core/v1.Secret")),
        ResourceType(
            .serviceAccounts, singular: "serviceaccount", shortNames: ["sa"],
            subresources: [
                .init(
                    "token", kind: "TokenRequest", group: "authentication.k8s.io", version: "v1", verbs: ["create"])
            ],
            columns: [.name, .count("Secrets") { $0["secrets"].items.count }, .age],
            schema: schema("core/v1.ServiceAccount")),
        ResourceType(
            .services, singular: "service", shortNames: ["svc"], categories: ["all"],
            subresources: [.init("status", kind: "Service", verbs: statusVerbs)], columns: ServiceColumns.all,
            selectableFields: ["spec.clusterIP", "spec.type"], schema: schema("core/v1.Service")),
    ]

    private static let others: [ResourceType] = [
        ResourceType(
            .leases, singular: "lease",
            columns: [.name, .text("Holder") { $0["spec"]["holderIdentity"].stringValue }, .age],
            schema: schema("coordination/v1.Lease")),
        ResourceType(
            .endpointSlices, singular: "endpointslice",
            columns: [
                .name, .text("AddressType") { $0["addressType"].stringValue },
                .text("Ports", EndpointColumns.slicePorts), .text("Endpoints", EndpointColumns.sliceEndpoints), .age,
            ], schema: schema("discovery/v1.EndpointSlice")),
    ]
}
