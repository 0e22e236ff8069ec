import KubeAPI
import Testing

@testable import ControlPlane

/// What is decided before a kubelet is asked. How logs flow is in APIServerTests.
@Suite struct PodLogTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/pods/p/log"
    init() async throws { server = try await TestServer() }

    private func makePod(_ containers: [String], status: JSON = .null) async throws {
        var pod = try await server.admin.create(
            .pods, namespace: "default",
            [
                "metadata": ["name": "p"],
                "spec": [
                    "nodeName": "n", "initContainers": [["name": "first", "image": "i"]],
                    "containers": .array(containers.map { ["name": .string($0), "image": "i"] }),
                ],
            ])
        if !status.isNull {
            pod["status"] = status
            try await server.admin.update(.pods, subresource: "status", pod)
        }
    }

    private func message(_ query: String = "") async throws -> String {
        let answer = try await server.get(path + query)
        #expect(answer.status >= 400)
        return answer.json["message"].stringValue
    }

    @Test func theContainerMustBeNamedWhereThereAreSeveral() async throws {
        try await makePod(["a", "b"])
        #expect(
            try await message()
                == "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [first]"
        )
        #expect(try await message("?container=z") == "container z is not valid for pod p")
    }

    @Test func aPodThatHasNotStartedSaysWhy() async throws {
        try await makePod(["main"])
        #expect(try await message() == "container \"main\" in pod \"p\" is waiting to start: ContainerCreating")
    }

    @Test(arguments: [
        ("ErrImagePull", "image can't be pulled"), ("ImagePullBackOff", "trying and failing to pull image"),
        ("CreateContainerConfigError", "CreateContainerConfigError"),
    ])
    func aContainerThatWaitsSaysWhy(reason: String, text: String) async throws {
        try await makePod(
            ["main"],
            status: [
                "phase": "Pending",
                "containerStatuses": [
                    [
                        "name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                        "state": ["waiting": ["reason": .string(reason)]],
                    ]
                ],
            ])
        #expect(try await message() == "container \"main\" in pod \"p\" is waiting to start: \(text)")
    }

    @Test func oneThatHasRunBeforeHasLogs() async throws {
        try await makePod(
            ["main"],
            status: [
                "phase": "Running",
                "containerStatuses": [
                    [
                        "name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 1,
                        "state": ["waiting": ["reason": "CrashLoopBackOff"]],
                        "lastState": ["terminated": ["exitCode": 1, "containerID": "c"]],
                    ]
                ],
            ])
        // It gets as far as the node, which is not there.
        #expect(try await message() == "nodes \"n\" not found")
    }

    @Test func wrongOptionsAreNamed() async throws {
        try await makePod(["main"])
        #expect(
            try await message("?tailLines=-1")
                == "PodLogOptions \"p\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0")
        #expect(
            try await message("?limitBytes=0")
                == "PodLogOptions \"p\" is invalid: limitBytes: Invalid value: 0: must be greater than 0")
        #expect(try await server.get("\(path)?sinceTime=yesterday").status == 400)
        #expect(try await server.get("\(path)?sinceTime=2020-01-01T00:00:00Z&sinceSeconds=5").status == 422)
    }

    @Test func aPodThatIsNotThere() async throws {
        #expect(try await message() == "pods \"p\" not found")
    }
}
