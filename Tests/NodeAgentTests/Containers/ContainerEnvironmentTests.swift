import KubeAPI
import Testing

@testable import NodeAgent

/// The environment of a container.
@Suite struct ContainerEnvironmentTests {
    private func build(_ container: String, services: [String: String] = [:]) throws -> [String: String] {
        let pod = try Sample.pod(
            "{serviceAccountName: robot, containers: [{name: main, image: demo, \(container)}]}",
            metadata: "labels: {app: web}")
        let objects: [String: JSON] = [
            "configmaps/conf": ["metadata": ["name": "conf"], "data": ["color": "blue", "size": "big"]],
            "secrets/sec": ["metadata": ["name": "sec"], "data": ["password": "aHVudGVyMg==", "bad": "%"]],
        ]
        let source = EnvironmentSource(
            pod: pod, podIPs: ["10.0.0.1", "fd00::1"], hostIPs: ["192.0.2.2"], nodeName: "node1",
            allocatable: ["cpu": Quantity(milliValue: 4000), "memory": Quantity(1 << 30)], services: services,
            object: { resource, name in objects["\(resource)/\(name)"] })
        return Dictionary(
            try ContainerEnvironment.build(container: pod.containers[0], source: source).map { ($0.name, $0.value) },
            uniquingKeysWith: { $1 })
    }

    @Test func earlierVariablesAreExpanded() throws {
        let env = try build(
            "env: [{name: A, value: one}, {name: B, value: '$(A)-$$(A)-$(NOPE)-$'}, {name: C, value: '$(LATER)'}, {name: LATER, value: x}]"
        )
        #expect(env["B"] == "one-$(A)-$(NOPE)-$")
        #expect(env["C"] == "$(LATER)")
    }

    @Test func servicesCanBeNamedAndAreOverridden() throws {
        let env = try build(
            "env: [{name: URL, value: 'http://$(DB_SERVICE_HOST)'}, {name: DB_SERVICE_PORT, value: mine}]",
            services: ["DB_SERVICE_HOST": "10.96.0.9", "DB_SERVICE_PORT": "5432"])
        #expect(env["URL"] == "http://10.96.0.9")
        #expect(env["DB_SERVICE_PORT"] == "mine")
        #expect(env["DB_SERVICE_HOST"] == "10.96.0.9")
    }

    @Test func wholeObjectsAndSingleKeys() throws {
        let env = try build(
            "envFrom: [{prefix: P_, configMapRef: {name: conf}}], env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: sec, key: password}}}]"
        )
        #expect(env["P_color"] == "blue" && env["P_size"] == "big")
        #expect(env["PASSWORD"] == "hunter2")
    }

    @Test(arguments: [
        ("metadata.name", "web"), ("metadata.namespace", "default"), ("metadata.uid", "uid-1"),
        ("metadata.labels['app']", "web"), ("spec.nodeName", "node1"), ("spec.serviceAccountName", "robot"),
        ("status.podIP", "10.0.0.1"), ("status.podIPs", "10.0.0.1,fd00::1"), ("status.hostIP", "192.0.2.2"),
    ])
    func fieldsOfThePod(path: String, value: String) throws {
        #expect(try build("env: [{name: X, valueFrom: {fieldRef: {fieldPath: \"\(path)\"}}}]")["X"] == value)
    }

    @Test(arguments: [
        ("limits.cpu", "1", "1"), ("limits.cpu", "1m", "500"), ("requests.cpu", "1m", "250"),
        ("limits.memory", "1Mi", "1024"), ("requests.memory", "1", "0"),
    ])
    func resources(resource: String, divisor: String, value: String) throws {
        let env = try build(
            "resources: {limits: {cpu: 500m}, requests: {cpu: 250m, memory: 0}}, env: [{name: X, valueFrom: {resourceFieldRef: {resource: \(resource), divisor: \(divisor)}}}]"
        )
        #expect(env["X"] == value)
    }

    @Test(arguments: [
        ("envFrom: [{configMapRef: {name: none}}]", "configmap \"none\" not found"),
        ("env: [{name: X, valueFrom: {secretKeyRef: {name: none, key: k}}}]", "secret \"none\" not found"),
        (
            "env: [{name: X, valueFrom: {configMapKeyRef: {name: conf, key: nope}}}]",
            "couldn't find key nope in ConfigMap default/conf"
        ),
        (
            "env: [{name: X, valueFrom: {secretKeyRef: {name: sec, key: bad}}}]",
            "secret \"sec\": key bad is not valid base64"
        ),
        ("env: [{name: X, valueFrom: {fieldRef: {fieldPath: spec.nope}}}]", "unsupported fieldPath: spec.nope"),
    ])
    func whatIsMissingIsNamed(container: String, message: String) {
        #expect { try build(container) } throws: { "\($0)" == message }
    }

    @Test func whatIsOptionalMayBeMissing() throws {
        let env = try build(
            "envFrom: [{configMapRef: {name: none, optional: true}}], env: [{name: X, valueFrom: {secretKeyRef: {name: sec, key: nope, optional: true}}}]"
        )
        #expect(env.isEmpty)
    }

    @Test func theContainersVariablesStandOverTheImages() {
        let merged = ContainerEnvironment.merge(
            image: ["PATH=/bin", "A=image"], container: [("A", "pod"), ("B", "b=c")])
        #expect(merged == ["PATH=/bin", "A=pod", "B=b=c"])
    }

    @Test func servicesBecomeVariables() {
        let service: (String, String) -> JSON = { namespace, name in
            [
                "metadata": ["name": .string(name), "namespace": .string(namespace)],
                "spec": ["clusterIP": "10.96.0.9", "ports": [["name": "web-ui", "port": 80, "protocol": "TCP"]]],
            ]
        }
        let all = [service("default", "my-db"), service("other", "theirs"), service("default", "kubernetes")]
        let variables = ServiceVariables.variables(services: all, namespace: "default", areLinksEnabled: true)
        #expect(variables["MY_DB_SERVICE_HOST"] == "10.96.0.9")
        #expect(variables["MY_DB_SERVICE_PORT_WEB_UI"] == "80")
        #expect(variables["MY_DB_PORT_80_TCP"] == "tcp://10.96.0.9:80")
        #expect(variables["THEIRS_SERVICE_HOST"] == nil)
        let without = ServiceVariables.variables(services: all, namespace: "default", areLinksEnabled: false)
        #expect(without["KUBERNETES_SERVICE_HOST"] == "10.96.0.9" && without["MY_DB_SERVICE_HOST"] == nil)
    }
}
