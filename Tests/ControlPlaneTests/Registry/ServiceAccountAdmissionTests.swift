import KubeAPI
import Testing

@testable import ControlPlane

@Suite final class ServiceAccountAdmissionTests: Sendable {
    private let server: TestServer

    init() async throws {
        server = try await TestServer()
        try await server.admin.create(
            .serviceAccounts, namespace: "default",
            ["metadata": ["name": "robot"], "imagePullSecrets": [["name": "pull"]]])
    }

    private func make(_ spec: JSON, metadata: JSON = ["name": "p"]) async throws -> JSON {
        var spec = spec
        if spec["containers"].isNull { spec["containers"] = [["name": "c", "image": "i"]] }
        return try await server.admin.create(.pods, namespace: "default", ["metadata": metadata, "spec": spec])
    }

    @Test func aPodFindsItsTokenInEachContainer() async throws {
        let pod = try await make([
            "serviceAccountName": "robot", "initContainers": [["name": "a", "image": "i"]],
            "containers": [
                ["name": "b", "image": "i"],
                [
                    "name": "c", "image": "i",
                    "volumeMounts": [
                        ["name": "own", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"]
                    ],
                ],
            ], "volumes": [["name": "own", "emptyDir": [:]]],
        ])
        let spec = pod["spec"]
        #expect(spec["serviceAccount"] == "robot" && spec["imagePullSecrets"] == [["name": "pull"]])
        let volume = spec["volumes"][1]
        let name = volume["name"].stringValue
        #expect(name.hasPrefix("kube-api-access-") && name.count == "kube-api-access-".count + 5)
        let mount: JSON = [
            "name": .string(name), "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        ]
        #expect(spec["initContainers"][0]["volumeMounts"] == [mount])
        #expect(spec["containers"][0]["volumeMounts"] == [mount])
        #expect(spec["containers"][1]["volumeMounts"].items.count == 1)
        #expect(
            volume["projected"] == [
                "defaultMode": 420,
                "sources": [
                    ["serviceAccountToken": ["expirationSeconds": 3607, "path": "token"]],
                    ["configMap": ["name": "kube-root-ca.crt", "items": [["key": "ca.crt", "path": "ca.crt"]]]],
                    [
                        "downwardAPI": [
                            "items": [
                                [
                                    "path": "namespace",
                                    "fieldRef": ["apiVersion": "v1", "fieldPath": "metadata.namespace"],
                                ]
                            ]
                        ]
                    ],
                ],
            ])
    }

    @Test func whoWantsNoTokenGetsNone() async throws {
        #expect(
            try await make(["serviceAccountName": "robot", "automountServiceAccountToken": false])["spec"]["volumes"]
                .isNull)
        // The account `default` of the tests says so.
        #expect(try await make([:], metadata: ["name": "q"])["spec"]["volumes"].isNull)
        #expect(
            try await make(["automountServiceAccountToken": true], metadata: ["name": "r"])["spec"]["volumes"].items
                .count
                == 1)
    }

    @Test func anAccountThatIsNotThereIsNamed() async throws {
        #expect(
            await refusal { try await make(["serviceAccountName": "x"]) }?.message
                == #"pods "p" is forbidden: error looking up service account default/x: serviceaccount "x" not found"#)
        #expect(
            await refusal { try await make(["serviceAccountName": "x"], metadata: ["generateName": "web-"]) }?.message
                == #"pods "web-" is forbidden: error looking up service account default/x: serviceaccount "x" not found"#
        )
    }

    /// Whoever makes a namespace and at once a pod in it does not have to know that a controller comes between.
    @Test func aPodWaitsForTheAccountOfItsNewNamespace() async throws {
        try await server.admin.create(.namespaces, ["metadata": ["name": "new"]])
        async let pod = server.admin.create(
            .pods, namespace: "new",
            ["metadata": ["name": "p"], "spec": ["containers": [["name": "c", "image": "i"]]]])
        try await Task.sleep(for: .milliseconds(30))
        try await server.admin.create(.serviceAccounts, namespace: "new", ["metadata": ["name": "default"]])
        #expect(try await pod["spec"]["volumes"].items.count == 1)
    }
}
