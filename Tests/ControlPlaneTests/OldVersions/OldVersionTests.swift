import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct OldVersionTests {
    private let server: TestServer
    private let router: Router

    init() async throws {
        server = try await TestServer()
        router = Router(
            ServerContext(
                registry: server.registry, health: HealthChecks(), servesOldVersions: true, log: quiet))
    }

    private func send(_ method: String, _ target: String, _ body: JSON? = nil) async throws -> Answer {
        try await server.send(method, target, body?.serialized() ?? [], to: router)
    }

    private static let controller: JSON = [
        "id": "frontend", "kind": "ReplicationController", "apiVersion": "v1beta1",
        "desiredState": [
            "replicas": 3, "replicaSelector": ["name": "frontend"],
            "podTemplate": [
                "desiredState": [
                    "manifest": [
                        "version": "v1beta1", "id": "frontend",
                        "containers": [
                            [
                                "name": "php", "image": "kubernetes/php", "cpu": 100, "memory": 50_000_000,
                                "entrypoint": ["/bin/php"], "command": ["-v"], "imagePullPolicy": "PullIfNotPresent",
                                "ports": [["containerPort": 80, "hostPort": 8000]],
                                "env": [["key": "A", "value": "b"]],
                                "volumeMounts": [["name": "data", "path": "/data"]],
                            ]
                        ],
                        "volumes": [["name": "data", "source": ["hostDir": ["path": "/srv"]]]],
                        "restartPolicy": ["always": [:]],
                    ]
                ], "labels": ["name": "frontend"],
            ],
        ], "labels": ["name": "frontend"],
    ]

    @Test(arguments: ["v1beta1", "v1beta2"]) func flatControllersAreMadeAndRead(version: String) async throws {
        var body = Self.controller
        body["apiVersion"] = .string(version)
        let made = try await send("POST", "/api/\(version)/replicationControllers", body)
        #expect(made.status == 201, "\(made.text)")
        let stored = try await server.admin.get(.replicationControllers, namespace: "default", name: "frontend")
        let container = stored["spec"]["template"]["spec"]["containers"][0]
        #expect(container["command"] == ["/bin/php"])
        #expect(container["args"] == ["-v"])
        #expect(container["resources"]["limits"] == ["cpu": "100m", "memory": "50M"])
        #expect(container["env"] == [["name": "A", "value": "b"]])
        #expect(container["imagePullPolicy"] == "IfNotPresent")
        #expect(container["volumeMounts"][0]["mountPath"] == "/data")
        #expect(stored["spec"]["template"]["spec"]["volumes"][0]["hostPath"]["path"] == "/srv")
        #expect(stored["spec"]["selector"] == ["name": "frontend"])
        let read = try await send("GET", "/api/\(version)/replicationControllers/frontend?namespace=default").json
        #expect(read["id"] == "frontend")
        #expect(read["apiVersion"] == .string(version))
        #expect(read["resourceVersion"].int != nil)
        #expect(read["metadata"].isNull)
        #expect(read["desiredState"]["replicaSelector"] == ["name": "frontend"])
        let manifest = read["desiredState"]["podTemplate"]["desiredState"]["manifest"]
        #expect(manifest["restartPolicy"] == ["always": [:]])
        #expect(manifest["containers"][0]["entrypoint"] == ["/bin/php"])
        #expect(manifest["containers"][0]["cpu"] == 100)
        #expect(manifest["volumes"][0]["source"]["hostDir"]["path"] == "/srv")
        let list = try await send("GET", "/api/\(version)/replicationControllers").json
        #expect(list["kind"] == "ReplicationControllerList")
        #expect(list["items"][0]["id"] == "frontend")
    }

    @Test func flatServicesHaveOnePortBesideTheRest() async throws {
        let made = try await send(
            "POST", "/api/v1beta1/services",
            [
                "id": "web", "kind": "Service", "apiVersion": "v1beta1", "port": 80, "containerPort": 8080,
                "selector": ["name": "web"],
            ])
        #expect(made.status == 201, "\(made.text)")
        #expect(made.json["port"] == 80)
        #expect(made.json["containerPort"] == 8080)
        #expect(made.json["portalIP"].string?.hasPrefix("10.96.") == true)
    }

    @Test func nodesWereMinions() async throws {
        try await server.admin.create(.nodes, ["metadata": ["name": "n"]])
        let list = try await send("GET", "/api/v1beta1/minions").json
        #expect(list["kind"] == "MinionList")
        #expect(list["items"][0]["kind"] == "Minion")
        #expect(list["items"][0]["id"] == "n")
    }

    @Test func v1beta3IsV1UnderOtherNames() async throws {
        let made = try await send(
            "POST", "/api/v1beta3/namespaces/default/pods",
            [
                "kind": "Pod", "apiVersion": "v1beta3", "metadata": ["name": "p"],
                "spec": [
                    "host": "n", "containers": [["name": "c", "image": "i", "privileged": true]],
                ],
            ])
        #expect(made.status == 201, "\(made.text)")
        #expect(made.json["spec"]["host"] == "n")
        #expect(made.json["apiVersion"] == "v1beta3")
        let stored = try await server.admin.get(.pods, namespace: "default", name: "p")
        #expect(stored["spec"]["nodeName"] == "n")
        #expect(stored["spec"]["containers"][0]["securityContext"]["privileged"] == true)
        let found = try await send("GET", "/api/v1beta3/pods?fieldSelector=spec.host%3Dn").json
        #expect(found["items"].items.count == 1)
        var changed = made.json
        changed["metadata"]["labels"] = ["a": "b"]
        let updated = try await send("PUT", "/api/v1beta3/namespaces/default/pods/p", changed)
        #expect(updated.status == 200, "\(updated.text)")
        #expect(updated.json["metadata"]["labels"] == ["a": "b"])
        let service = try await send(
            "POST", "/api/v1beta3/namespaces/default/services",
            [
                "kind": "Service", "apiVersion": "v1beta3", "metadata": ["name": "s"],
                "spec": ["portalIP": "10.96.0.77", "ports": [["port": 80]]],
            ])
        #expect(service.json["spec"]["portalIP"] == "10.96.0.77", "\(service.text)")
    }

    @Test func whatAnOldVersionCannotSayNamesTheWayThroughV1() async throws {
        func message(_ method: String, _ target: String, _ body: JSON? = nil) async throws -> String {
            let answer = try await send(method, target, body)
            #expect(answer.status >= 400)
            #expect(answer.json["kind"] == "Status")
            return answer.json["message"].stringValue
        }
        #expect(
            try await message("GET", "/api/v1beta3/namespaces/default/secrets")
                == "v1beta3 does not have secrets: use GET /api/v1/namespaces/default/secrets")
        #expect(
            try await message("PUT", "/api/v1beta1/pods/p", ["id": "p"]).hasSuffix(
                ": use PUT /api/v1/namespaces/default/pods/p"))
        #expect(
            try await message("PATCH", "/api/v1beta3/namespaces/default/pods/p", ["metadata": [:]])
                == "v1beta3 has no patches: use PATCH /api/v1/namespaces/default/pods/p")
        var unknown = Self.controller
        unknown["desiredState"]["podTemplate"]["desiredState"]["manifest"]["containers"][0]["startupProbe"] = ["a": 1]
        #expect(
            try await message("POST", "/api/v1beta1/replicationControllers", unknown)
                == "v1beta1 has no field desiredState.podTemplate.desiredState.manifest.containers[0].startupProbe.a that "
                + "could be kept: use POST /api/v1/namespaces/default/replicationcontrollers")
        #expect(
            try await message(
                "POST", "/api/v1beta3/namespaces/default/pods",
                ["metadata": ["name": "q"], "spec": ["containers": [["name": "c", "image": "i"]], "desired": 1]]
            ).hasSuffix("use POST /api/v1/namespaces/default/pods"))
    }

    @Test func theIndexHasAllPathsOfTheOriginalAndEachIsThere() async throws {
        let context = ServerContext(
            registry: server.registry, health: HealthChecks(), logFiles: LogFiles(root: server.folder.path),
            servesOldVersions: true, log: quiet)
        context.health.add("ping", .live) { nil }
        let router = Router(context)
        let paths = try await server.send("GET", "/", to: router).json["paths"].items.map(\.stringValue)
        for path in [
            "/api", "/api/v1beta1", "/api/v1beta2", "/api/v1beta3", "/healthz", "/healthz/ping", "/logs/", "/metrics",
            "/static/", "/swagger-ui/", "/swaggerapi/", "/validate", "/version",
        ] {
            #expect(paths.contains(path))
            #expect(try await server.send("GET", path, to: router).status == 200, "\(path)")
        }
        let declaration = try await server.send("GET", "/swaggerapi/api/v1", to: router).json
        #expect(declaration["models"]["v1.Pod"]["properties"]["spec"]["$ref"] == "v1.PodSpec")
        #expect(try await !server.send("GET", "/static/", to: router).text.contains("<script"))
        // Not without the loopback port.
        #expect(try await server.send("GET", "/api/v1beta3", to: server.router).status == 404)
    }
}
