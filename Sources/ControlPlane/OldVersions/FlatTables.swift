import KubeAPI

/// The fields of v1beta1 and v1beta2 with their places in v1.
enum FlatTables {
    static let byKind: [String: FieldTable] = [
        "Pod": pod, "ReplicationController": controller, "Service": service, "Node": node, "Endpoints": endpoints,
        "Event": event, "Namespace": FieldTable(metadata + FieldTable.same("spec", "status")),
    ]

    private typealias Table = FieldTable

    static let metadata: [FieldTable.Field] =
        [
            Table.move("id", "metadata.name"), Table.move("namespace", "metadata.namespace"),
            Table.move("generateName", "metadata.generateName"), Table.move("labels", "metadata.labels"),
            Table.move("annotations", "metadata.annotations"), Table.told("uid", "metadata.uid"),
            Table.told("creationTimestamp", "metadata.creationTimestamp"),
            Table.told("deletionTimestamp", "metadata.deletionTimestamp"),
            Table.told("resourceVersion", "metadata.resourceVersion") { FlatObjects.number($0) },
        ] + Table.ignored("selfLink")

    // MARK: containers

    private static let variable = FieldTable([
        Table.value("key", "name", toNew: { $0 }, toOld: { _ in nil }), Table.move("name", "name"),
        Table.move("value", "value"),
        Table.value("valueFrom", "valueFrom", toNew: { inVersion($0, "v1") }, toOld: { $0 }),
    ])
    private static let mount = FieldTable(
        [Table.value("path", "mountPath", toNew: { $0 }, toOld: { _ in nil }), Table.move("mountPath", "mountPath")]
            + Table.same("name", "readOnly")
            + Table.ignored("mountType"))

    private static let container = FieldTable(
        Table.same(
            "name", "image", "workingDir", "ports", "resources", "livenessProbe", "readinessProbe", "lifecycle",
            "terminationMessagePath", "securityContext")
            + [
                Table.move("entrypoint", "command"), Table.move("command", "args"),
                Table.list("env", "env", variable), Table.list("volumeMounts", "volumeMounts", mount),
                Table.move("privileged", "securityContext.privileged"),
                Table.move("capabilities", "securityContext.capabilities"),
                Table.value(
                    "imagePullPolicy", "imagePullPolicy",
                    toNew: { policy in
                        let text = policy.stringValue
                        return text.isEmpty ? nil : .string(text.hasPrefix("Pull") ? String(text.dropFirst(4)) : text)
                    }, toOld: { .string("Pull" + $0.stringValue) }),
                // Thousandths of a core, and bytes; 0 is no bound.
                Table.value(
                    "cpu", "resources.limits.cpu",
                    toNew: { amount in amount.int.flatMap { $0 > 0 ? .string("\($0)m") : nil } },
                    toOld: { Quantity($0.stringValue).map { .int($0.milliValue) } }),
                Table.value(
                    "memory", "resources.limits.memory",
                    toNew: { amount in amount.int.flatMap { $0 > 0 ? .string("\($0)") : nil } },
                    toOld: { Quantity($0.stringValue).map { .int($0.value) } }),
            ])

    private static let volume = FieldTable([
        Table.move("name", "name"), Table.move("source.hostDir", "hostPath"),
        Table.move("source.persistentDisk", "gcePersistentDisk"),
        Table.value(
            "source.secret", "secret", toNew: { ["secretName": $0["target"]["id"]] },
            toOld: { ["target": ["kind": "Secret", "id": $0["secretName"]]] }),
        Table.move("source.emptyDir", "emptyDir"), Table.move("source.gitRepo", "gitRepo"),
        Table.move("source.nfs", "nfs"), Table.move("source.iscsi", "iscsi"), Table.move("source.rbd", "rbd"),
        Table.move("source.glusterfs", "glusterfs"),
    ])

    private static let policies = ["always": "Always", "onFailure": "OnFailure", "never": "Never"]

    /// The fields of a manifest, at `prefix` of the old object and in `spec` below `target` of the new one.
    private static func manifest(_ prefix: String, _ target: String) -> [FieldTable.Field] {
        [
            Table.list("\(prefix).containers", "\(target).containers", container),
            Table.list("\(prefix).volumes", "\(target).volumes", volume),
            Table.value(
                "\(prefix).restartPolicy", "\(target).restartPolicy",
                toNew: { policy in
                    policies.first { policy[$0.key].isObject }.map { .string($0.value) }
                        ?? (policy.string.map { .string($0) })
                },
                toOld: { policy in
                    policies.first { $0.value == policy.string }.map { match in
                        var json = JSON.emptyObject
                        json[match.key] = .emptyObject
                        return json
                    }
                }),
            Table.move("\(prefix).dnsPolicy", "\(target).dnsPolicy"),
            Table.move("\(prefix).hostNetwork", "\(target).hostNetwork"),
        ] + Table.ignored("\(prefix).version", "\(prefix).id", "\(prefix).uuid")
    }

    private static func inVersion(_ source: JSON, _ version: String) -> JSON {
        var source = source
        if source["fieldRef"]["apiVersion"].string?.hasPrefix("v1beta") == true {
            source["fieldRef"]["apiVersion"] = .string(version)
        }
        return source
    }

    // MARK: kinds

    private static let pod = FieldTable(
        metadata + manifest("desiredState.manifest", "spec")
            + [
                Table.move("desiredState.host", "spec.nodeName"), Table.move("nodeSelector", "spec.nodeSelector"),
                Table.told("currentState.status", "status.phase") { phase in
                    switch phase.string {
                    case "Pending": "Waiting"
                    case "Failed": "Terminated"
                    default: phase
                    }
                },
                Table.told("currentState.host", "spec.nodeName"), Table.told("currentState.hostIP", "status.hostIP"),
                Table.told("currentState.podIP", "status.podIP"),
                Table.told("currentState.message", "status.message"),
                Table.told("currentState.Condition", "status.conditions"),
            ] + Table.ignored("currentState", "desiredState.status"))

    private static let controller = FieldTable(
        metadata
            + [
                Table.move("desiredState.replicas", "spec.replicas"),
                Table.move("desiredState.replicaSelector", "spec.selector"),
                Table.told("currentState.replicas", "status.replicas"),
            ] + manifest("desiredState.podTemplate.desiredState.manifest", "spec.template.spec")
            + [
                Table.move("desiredState.podTemplate.labels", "spec.template.metadata.labels"),
                Table.move("desiredState.podTemplate.annotations", "spec.template.metadata.annotations"),
                Table.move("desiredState.podTemplate.nodeSelector", "spec.template.spec.nodeSelector"),
            ]
            + Table.ignored(
                "currentState", "desiredState.podTemplate.id", "desiredState.podTemplate.kind",
                "desiredState.podTemplate.apiVersion"))

    private static let service = FieldTable(
        metadata
            + [
                Table.move("selector", "spec.selector"), Table.move("portalIP", "spec.clusterIP"),
                Table.move("publicIPs", "spec.externalIPs"), Table.move("sessionAffinity", "spec.sessionAffinity"),
                Table.value(
                    "createExternalLoadBalancer", "spec.type", toNew: { $0 == true ? "LoadBalancer" : nil },
                    toOld: { $0 == "LoadBalancer" ? true : nil }),
                Table.list(
                    "ports", "spec.ports",
                    FieldTable(Table.same("name", "protocol", "port") + [Table.move("containerPort", "targetPort")])),
            ] + Table.ignored("proxyPort"))

    private static let node = FieldTable(
        metadata
            + [
                Table.told("hostIP", "status.addresses") { addresses in
                    addresses.items.first { $0["type"] == "InternalIP" }?["address"]
                },
                Table.told("resources.capacity", "status.capacity"), Table.move("podCIDR", "spec.podCIDR"),
                Table.move("unschedulable", "spec.unschedulable"), Table.move("externalID", "spec.externalID"),
                Table.told("status.conditions", "status.conditions"),
                Table.told("status.addresses", "status.addresses"),
                Table.told("status.nodeInfo", "status.nodeInfo"), Table.told("status.phase", "status.phase"),
            ])

    private static let endpoints = FieldTable(metadata + Table.same("subsets"))

    private static let event = FieldTable(
        metadata + Table.same("involvedObject", "reason", "message", "firstTimestamp", "lastTimestamp", "count")
            + [
                Table.move("source", "source.component"), Table.move("host", "source.host"),
                Table.told("timestamp", "lastTimestamp"),
            ])
}
