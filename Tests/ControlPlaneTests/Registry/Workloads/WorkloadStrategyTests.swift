import KubeAPI
import Testing

@testable import ControlPlane

/// The rules of the kinds of apps/v1, in Kubernetes' words.
@Suite struct WorkloadStrategyTests {
    private let server: TestServer
    init() async throws { server = try await TestServer() }

    private static let template: JSON = [
        "metadata": ["labels": ["app": "web"]], "spec": ["containers": [["name": "c", "image": "i"]]],
    ]

    @discardableResult
    private func create(_ resource: ResourcePath, _ change: (inout JSON) -> Void = { _ in }) async throws -> JSON {
        var object: JSON = [
            "metadata": ["name": "web"],
            "spec": ["selector": ["matchLabels": ["app": "web"]], "template": Self.template],
        ]
        change(&object)
        return try await server.admin.create(resource, namespace: "default", object)
    }

    /// What follows the kind and the name.
    private func why(_ resource: ResourcePath, _ change: (inout JSON) -> Void) async -> String? {
        await refusal { try await create(resource, change) }?.message.replacing(
            "\(resource.kind).apps \"web\" is invalid: ", with: "")
    }

    @Test(arguments: [
        (ResourcePath.deployments, "deployment"), (.replicaSets, "deployment"), (.daemonSets, "daemonset"),
    ])
    func selectorsMustSayWhatTheTemplateSays(resource: ResourcePath, kind: String) async {
        #expect(await why(resource) { $0["spec"]["selector"] = .null } == "spec.selector: Required value")
        #expect(
            await why(resource) { $0["spec"]["selector"] = .emptyObject }
                == "spec.selector: Invalid value: {}: empty selector is invalid for \(kind)")
        #expect(
            await why(resource) { $0["spec"]["selector"]["matchLabels"]["app"] = "db" }
                == #"spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`"#
        )
    }

    @Test(arguments: [
        (ResourcePath.deployments, "ReplicaSet"), (.replicaSets, "ReplicaSet"), (.daemonSets, "DaemonSet"),
    ])
    func podsRunForEver(resource: ResourcePath, owner: String) async {
        #expect(
            await why(resource) { $0["spec"]["template"]["spec"]["restartPolicy"] = "Never" }
                == #"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#)
        #expect(
            await why(resource) { $0["spec"]["template"]["spec"]["activeDeadlineSeconds"] = 5 }
                == "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in \(owner) is not Supported"
        )
        #expect(
            await why(resource) { $0["spec"]["template"]["spec"]["containers"] = [] }
                == "spec.template.spec.containers: Required value")
    }

    @Test(arguments: [ResourcePath.deployments, .replicaSets, .daemonSets])
    func selectorsNeverChange(resource: ResourcePath) async throws {
        var object = try await create(resource)
        object["spec"]["selector"]["matchLabels"]["app"] = "db"
        object["spec"]["template"]["metadata"]["labels"]["app"] = "db"
        let changed = object
        #expect(
            await refusal { try await server.admin.update(resource, changed) }?.message
                == "\(resource.kind).apps \"web\" is invalid: "
                + #"spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable"#)
    }

    @Test(arguments: [ResourcePath.deployments, .replicaSets, .daemonSets])
    func theGenerationCountsChangesOfTheSpec(resource: ResourcePath) async throws {
        let object = try await create(resource)
        #expect(object.generation == 1)
        let labelled = try await server.admin.patch(
            resource, namespace: "default", name: "web", ["metadata": ["labels": ["x": "y"]]])
        #expect(labelled.generation == 1)
        let changed = try await server.admin.patch(
            resource, namespace: "default", name: "web", ["spec": ["minReadySeconds": 1], "status": ["replicas": 9]])
        #expect(changed.generation == 2 && changed["status"] == object["status"])
        let reported = try await server.admin.patch(
            resource, namespace: "default", name: "web", subresource: "status",
            ["spec": ["minReadySeconds": 7], "status": ["observedGeneration": 2]])
        #expect(reported.generation == 2 && reported["spec"]["minReadySeconds"] == 1)
        #expect(reported["status"]["observedGeneration"] == 2)
    }

    @Test func boundsOfARollingUpdate() async {
        let path = "spec.strategy.rollingUpdate"
        func why(_ surge: JSON, _ unavailable: JSON) async -> String? {
            await self.why(.deployments) {
                $0["spec"]["strategy"]["rollingUpdate"] = ["maxSurge": surge, "maxUnavailable": unavailable]
            }
        }
        #expect(
            await why(0, "0%") == "\(path).maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0")
        #expect(
            await why(1, "101%") == "\(path).maxUnavailable: Invalid value: \"101%\": must not be greater than 100%")
        #expect(await why(-1, 1) == "\(path).maxSurge: Invalid value: -1: must be greater than or equal to 0")
        #expect(
            await why("many", 1)
                == "\(path).maxSurge: Invalid value: \"many\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
        )
        #expect(await why("150%", 0) == nil)
    }

    @Test func strategiesOfADeployment() async {
        #expect(
            await why(.deployments) { $0["spec"]["strategy"] = ["type": "Recreate", "rollingUpdate": ["maxSurge": 1]] }
                == "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'")
        #expect(
            await why(.deployments) { $0["spec"]["strategy"]["type"] = "Sudden" }?.contains(
                #"Unsupported value: "Sudden": supported values: "Recreate", "RollingUpdate""#) == true)
        #expect(
            await why(.deployments) {
                $0["spec"]["minReadySeconds"] = 30
                $0["spec"]["progressDeadlineSeconds"] = 30
            } == "spec.progressDeadlineSeconds: Invalid value: 30: must be greater than minReadySeconds")
        #expect(
            await why(.deployments) { $0["spec"]["revisionHistoryLimit"] = -1 }
                == "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0")
    }

    @Test func boundsOfADaemonSetsUpdate() async {
        let path = "spec.updateStrategy.rollingUpdate"
        func why(_ surge: JSON, _ unavailable: JSON) async -> String? {
            await self.why(.daemonSets) {
                $0["spec"]["updateStrategy"]["rollingUpdate"] = ["maxSurge": surge, "maxUnavailable": unavailable]
            }
        }
        #expect(await why(0, 0) == "\(path).maxUnavailable: Required value: cannot be 0 when maxSurge is 0")
        #expect(
            await why(1, 1) == "\(path).maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero")
        #expect(await why("50%", 0) == nil)
    }

    @Test func daemonSetsCountTheirTemplates() async throws {
        let name = DaemonSetStrategy.templateGeneration
        #expect(try await create(.daemonSets).annotations[name] == "1")
        let same = try await server.admin.patch(
            .daemonSets, namespace: "default", name: "web", ["spec": ["minReadySeconds": 1]])
        #expect(same.annotations[name] == "1")
        let other = try await server.admin.patch(
            .daemonSets, namespace: "default", name: "web",
            ["spec": ["template": ["metadata": ["labels": ["x": "y"]]]]])
        #expect(other.annotations[name] == "2")
    }

    @Test func countersAgree() async throws {
        try await create(.deployments)
        func why(_ status: JSON) async -> String? {
            await refusal {
                try await server.admin.patch(
                    .deployments, namespace: "default", name: "web", subresource: "status", ["status": status])
            }?.message.replacing("Deployment.apps \"web\" is invalid: ", with: "")
        }
        #expect(
            await why(["replicas": 1, "updatedReplicas": 2])
                == "status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas")
        #expect(
            await why(["replicas": 2, "availableReplicas": 1])
                == "status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas")
        #expect(await why(["collisionCount": 2]) == nil)
        #expect(
            await why(["collisionCount": 1]) == "status.collisionCount: Invalid value: 1: cannot be decremented")
    }

    @Test func revisionsAreWrittenOnce() async throws {
        #expect(
            await refusal {
                try await server.admin.create(
                    .controllerRevisions, namespace: "default", ["metadata": ["name": "r"], "revision": 1])
            }?.message == "ControllerRevision.apps \"r\" is invalid: data: Required value: data is mandatory")
        try await server.admin.create(
            .controllerRevisions, namespace: "default",
            ["metadata": ["name": "r"], "revision": 1, "data": ["spec": ["x": 1]]])
        #expect(
            await refusal {
                try await server.admin.patch(
                    .controllerRevisions, namespace: "default", name: "r", ["data": ["spec": ["x": 2]]])
            }?.message
                == #"ControllerRevision.apps "r" is invalid: data: Invalid value: {"spec":{"x":2}}: field is immutable"#
        )
        let renumbered = try await server.admin.patch(
            .controllerRevisions, namespace: "default", name: "r", ["revision": 5])
        #expect(renumbered["revision"] == 5 && renumbered["data"]["spec"]["x"] == 1)
    }

    @Test func scaleSpeaksOfTheSelectorAsQueriesDo() async throws {
        try await create(.deployments) {
            $0["spec"]["selector"]["matchExpressions"] = [["key": "app", "operator": "Exists"]]
        }
        let scale = try await server.admin.get(
            .deployments, namespace: "default", name: "web", subresource: "scale")
        #expect(scale["spec"] == ["replicas": 1] && scale["status"]["selector"] == "app=web,app")
        let scaled = try await server.admin.patch(
            .deployments, namespace: "default", name: "web", subresource: "scale", ["spec": ["replicas": 4]])
        #expect(scaled["spec"]["replicas"] == 4)
        #expect(
            try await server.admin.get(.deployments, namespace: "default", name: "web")["spec"]["replicas"] == 4)
    }
}
