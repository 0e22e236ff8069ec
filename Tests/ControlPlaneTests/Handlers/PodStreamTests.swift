import KubeAPI
import Synchronization
import Testing
import Transport

@testable import ControlPlane

/// exec, attach and portforward, up to where a node is given the connection.
@Suite struct PodStreamTests {
    private let server: TestServer
    private let router: Router
    private let kubelet = Kubelet()
    private let path = "/api/v1/namespaces/default/pods/p"
    private static let upgrade = [
        ("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", "v4.channel.k8s.io"),
        ("Authorization", "Bearer secret"), ("Cookie", "a=b"),
    ]

    /// A node that remembers what it is asked for.
    private final class Kubelet: HTTPHandler {
        private let asked = Mutex<[HTTPServerRequest]>([])
        var requests: [HTTPServerRequest] { asked.withLock { $0 } }

        func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
            asked.withLock { $0.append(request) }
            response.respond(status: 200, headers: [], body: Array("the node's answer".utf8))
        }
    }

    init() async throws {
        server = try await TestServer()
        let kubelets = KubeletClient(
            loops: EventLoops(count: 1), tls: { _ in throw StatusError.internalError("no certificate") }, log: quiet)
        kubelets.local["n"] = kubelet
        router = Router(
            ServerContext(registry: server.registry, health: HealthChecks(), kubelets: kubelets, log: quiet))
        try await server.admin.create(.nodes, ["metadata": ["name": "n"]])
        var node = try await server.admin.get(.nodes, name: "n")
        node["status"] = ["addresses": [["type": "InternalIP", "address": "192.0.2.7"]]]
        try await server.admin.update(.nodes, subresource: "status", node)
        for (name, host, containers) in [("p", "n", ["main"]), ("two", "n", ["a", "b"]), ("unbound", nil, ["main"])] {
            try await server.admin.create(
                .pods, namespace: "default",
                [
                    "metadata": ["name": .string(name)],
                    "spec": [
                        "nodeName": JSON(host),
                        "containers": .array(containers.map { ["name": .string($0), "image": "i"] }),
                    ],
                ])
        }
    }

    private func send(
        _ method: String, _ target: String, headers: [(String, String)] = PodStreamTests.upgrade,
        as user: UserInfo = .apiserver
    ) async throws -> Answer {
        try await server.send(method, target, headers: headers, as: user, to: router)
    }

    @Test func theNodeIsAskedInItsOwnWords() async throws {
        let answer = try await send(
            "POST",
            "\(path)/exec?command=sh&command=-c&command=echo%20a%26b&container=main&stdin=true&stdout=1&stderr=false"
        )
        #expect(answer.text == "the node's answer")
        let request = try #require(kubelet.requests.first)
        #expect(request.method == "POST")
        #expect(request.path == "/exec/default/p/main")
        #expect(
            request.query.map { "\($0.name)=\($0.value)" } == [
                "input=1", "output=1", "command=sh", "command=-c", "command=echo a&b",
            ])
        #expect(request.asksForUpgrade)
        #expect(request.header("x-stream-protocol-version") == "v4.channel.k8s.io")
        // The client's credentials are this server's business.
        #expect(request.header("authorization") == nil && request.header("cookie") == nil)
        #expect(request.header("content-type") == nil)
    }

    @Test func attachAndPortForwardToo() async throws {
        _ = try await send("GET", "\(path)/attach?stdout=true&stderr=true&tty=true")
        _ = try await send("POST", "\(path)/portforward?ports=80&ports=81")
        #expect(kubelet.requests.map(\.path) == ["/attach/default/p/main", "/portForward/default/p"])
        // A terminal has one output.
        #expect(kubelet.requests.map(\.rawQuery) == ["output=1&tty=1", "port=80&port=81"])
    }

    @Test(arguments: [
        ("nope/exec?command=ls", 404, "pods \"nope\" not found"),
        ("unbound/exec?command=ls", 400, "pod unbound does not have a host assigned"),
        ("two/exec?command=ls", 400, "a container name must be specified for pod two, choose one of: [a b]"),
        ("p/attach?container=z", 400, "container z is not valid for pod p"),
        ("p/exec", 400, "you must specify at least one command for the container"),
    ])
    func refusesInKubernetesWords(target: String, status: Int, text: String) async throws {
        let answer = try await send("POST", "/api/v1/namespaces/default/pods/\(target)")
        #expect(answer.status == status)
        #expect(answer.json["message"].stringValue == text)
        #expect(kubelet.requests.isEmpty)
    }

    @Test func refusesWhatIsNotAnUpgrade() async throws {
        let answer = try await send("GET", "\(path)/portforward", headers: [])
        #expect(answer.status == 400 && answer.json["message"] == "Upgrade request required")
        #expect(try await send("DELETE", "\(path)/exec").status == 405)
    }

    @Test func readingIsNotEnough() async throws {
        let reader = UserInfo(name: "jane", groups: [UserInfo.authenticatedGroup])
        for method in ["GET", "POST"] {
            let answer = try await send(method, "\(path)/exec?command=ls", as: reader)
            #expect(answer.status == 403)
            #expect(answer.json["message"].stringValue.contains("resource \"pods/exec\""))
        }
        server.registry.authorizer.allow("jane", PolicyRule(verbs: ["get"], groups: [""], resources: ["*"]))
        let answer = try await send("GET", "\(path)/exec?command=ls", as: reader)
        #expect(answer.status == 403)
        #expect(
            answer.json["message"].stringValue.contains("cannot create resource \"pods/exec\" in API group \"\""))
        #expect(kubelet.requests.isEmpty)
    }
}
