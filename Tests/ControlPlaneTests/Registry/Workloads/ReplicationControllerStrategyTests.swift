import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct ReplicationControllerStrategyTests {
    private let server: TestServer
    init() async throws { server = try await TestServer() }

    private static let template: JSON = [
        "metadata": ["labels": ["app": "web"]], "spec": ["containers": [["name": "c", "image": "i"]]],
    ]

    @discardableResult
    private func create(_ spec: JSON, template: JSON = template) async throws -> JSON {
        var spec = spec
        if spec["template"].isNull { spec["template"] = template }
        return try await server.admin.create(
            .replicationControllers, namespace: "default", ["metadata": ["name": "web"], "spec": spec])
    }

    private func why(_ spec: JSON, template: JSON = template) async -> String? {
        await refusal { try await create(spec, template: template) }?.message
    }

    @Test func selectorLabelsAndReplicasHaveDefaults() async throws {
        let controller = try await create([:])
        #expect(controller["spec"]["replicas"] == 1 && controller["spec"]["selector"] == ["app": "web"])
        #expect(controller.labels == ["app": "web"])
        #expect(controller["status"] == ["replicas": 0] && controller.generation == 1)
        #expect(controller["spec"]["template"]["spec"]["restartPolicy"] == "Always")
    }

    @Test func theSelectorMatchesTheTemplate() async {
        #expect(
            await why(["selector": ["app": "db"]])
                == #"ReplicationController "web" is invalid: spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`"#
        )
        #expect(
            await why([:], template: ["spec": ["containers": [["name": "c", "image": "i"]]]])
                == #"ReplicationController "web" is invalid: spec.selector: Required value"#)
    }

    @Test func countsAreNotNegative() async {
        #expect(
            await why(["replicas": -1])
                == "ReplicationController \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
        )
        #expect(
            await why(["minReadySeconds": -1])
                == "ReplicationController \"web\" is invalid: spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"
        )
    }

    @Test func podsOfTheTemplateRunForEver() async {
        var template = Self.template
        template["spec"]["restartPolicy"] = "Never"
        template["spec"]["activeDeadlineSeconds"] = 5
        #expect(
            await why([:], template: template)
                == #"ReplicationController "web" is invalid: [spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always", spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported]"#
        )
    }

    @Test func theTemplateIsCheckedLikeAPod() async {
        var template = Self.template
        template["spec"]["containers"] = [["name": "C", "image": "i"], ["name": "d"]]
        let why = await why([:], template: template)
        #expect(
            why?.contains(#"spec.template.spec.containers[0].name: Invalid value: "C": a lowercase RFC 1123 label"#)
                == true)
        #expect(why?.contains("spec.template.spec.containers[1].image: Required value") == true)
    }

    @Test func theGenerationCountsChangesOfTheSpec() async throws {
        var controller = try await create([:])
        controller["metadata"]["labels"]["x"] = "y"
        controller = try await server.admin.update(.replicationControllers, controller)
        #expect(controller.generation == 1)
        controller["spec"]["replicas"] = 3
        controller["status"]["replicas"] = 7
        controller = try await server.admin.update(.replicationControllers, controller)
        #expect(controller.generation == 2 && controller["status"]["replicas"] == 0)
    }

    @Test func theStatusIsConsistent() async throws {
        var controller = try await create([:])
        controller["status"] = ["replicas": 1, "readyReplicas": 2]
        controller["spec"]["replicas"] = 9
        #expect(
            await refusal { try await server.admin.update(.replicationControllers, subresource: "status", controller) }?
                .message
                == "ReplicationController \"web\" is invalid: status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
        )
        controller["status"] = ["replicas": 2, "readyReplicas": 2]
        let stored = try await server.admin.update(.replicationControllers, subresource: "status", controller)
        #expect(stored["status"]["readyReplicas"] == 2 && stored["spec"]["replicas"] == 1)
    }
}
