import KubeAPI
import Testing

@testable import NodeAgent

/// What configMap, secret, downwardAPI and projected volumes hold.
@Suite struct VolumeContentTests {
    private static let configMap: JSON = [
        "metadata": ["name": "conf", "namespace": "default"], "data": ["color": "blue", "size": "big"],
        "binaryData": ["raw": "AAEC"],
    ]
    private static let secret: JSON = [
        "metadata": ["name": "sec", "namespace": "default"], "data": ["password": "aHVudGVyMg=="],
    ]

    private func files(_ volume: String) throws -> [String: VolumeFile] {
        let pod = try Sample.pod(
            "{containers: [{name: main, image: demo, resources: {limits: {memory: 64Mi}}}], volumes: [{name: v, \(volume)}]}",
            metadata: "labels: {app: web}")
        let reference = { (resource: ResourcePath, name: String) in
            ObjectReference(resource: resource, namespace: "default", name: name)
        }
        let environment = EnvironmentSource(
            pod: pod, podIPs: ["10.0.0.1"], hostIPs: ["192.0.2.2"], nodeName: "node1", allocatable: [:], services: [:],
            object: { _, _ in nil })
        return try VolumeContent(
            pod: pod, environment: environment,
            objects: [
                reference(.configMaps, "conf"): .some(Self.configMap), reference(.secrets, "sec"): .some(Self.secret),
                reference(.configMaps, "none"): JSON?.none,
            ]
        ).files(of: pod.volumes[0])
    }
    private func text(_ file: VolumeFile?) -> String? { file.map { String(decoding: $0.bytes, as: UTF8.self) } }

    @Test func allKeysOfAConfigMap() throws {
        let files = try files("configMap: {name: conf}")
        #expect(files.keys.sorted() == ["color", "raw", "size"])
        #expect(text(files["color"]) == "blue")
        #expect(files["raw"]?.bytes == [0, 1, 2])
        #expect(files["color"]?.mode == 0o644)
    }

    @Test func chosenKeysWhereTheyAreToBe() throws {
        let files = try files(
            "configMap: {name: conf, defaultMode: 256, items: [{key: color, path: a/b}, {key: size, path: c, mode: 420}]}"
        )
        #expect(files.keys.sorted() == ["a/b", "c"])
        #expect(files["a/b"]?.mode == 0o400)
        #expect(files["c"]?.mode == 0o644)
    }

    @Test func secretsAreDecoded() throws {
        #expect(text(try files("secret: {secretName: sec}")["password"]) == "hunter2")
    }

    @Test func theDownwardAPI() throws {
        let files = try files(
            "downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}, {path: mem, resourceFieldRef: {containerName: main, resource: limits.memory, divisor: 1Mi}}]}"
        )
        #expect(text(files["labels"]) == "app=\"web\"")
        #expect(text(files["mem"]) == "64")
    }

    @Test func projectedSourcesAreOneVolume() throws {
        let files = try files(
            "projected: {sources: [{configMap: {name: conf, items: [{key: color, path: x}]}}, {secret: {name: sec}}, {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}]}"
        )
        #expect(files.keys.sorted() == ["name", "password", "x"])
        #expect(text(files["name"]) == "web")
    }

    @Test(arguments: [
        ("configMap: {name: none}", "configmap \"none\" not found"),
        ("configMap: {name: conf, items: [{key: nope, path: x}]}", "references non-existent config key: nope"),
        ("secret: {secretName: sec, items: [{key: nope, path: x}]}", "references non-existent secret key: nope"),
        (
            "projected: {sources: [{serviceAccountToken: {path: token}}]}",
            "there is no token for service account default"
        ),
    ])
    func whatIsMissingIsNamed(volume: String, message: String) {
        #expect { try files(volume) } throws: { "\($0)" == message }
    }

    @Test func whatIsOptionalMayBeMissing() throws {
        #expect(try files("configMap: {name: none, optional: true}").isEmpty)
        #expect(
            try files("configMap: {name: conf, optional: true, items: [{key: nope, path: x}, {key: color, path: z}]}")
                .keys.sorted() == ["z"])
    }

    @Test func aPodNamesItsObjects() throws {
        let pod = try Sample.pod(
            "{containers: [{name: main, image: demo, envFrom: [{configMapRef: {name: a}}], env: [{name: X, valueFrom: {secretKeyRef: {name: b, key: k}}}]}], volumes: [{name: v, projected: {sources: [{secret: {name: c}}]}}, {name: w, configMap: {name: a}}]}"
        )
        let names = ObjectReference.all(of: pod).map { "\($0.resource)/\($0.name)" }.sorted()
        #expect(names == ["configmaps/a", "secrets/b", "secrets/c"])
    }
}
