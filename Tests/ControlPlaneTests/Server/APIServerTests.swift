import KubeAPI
import Synchronization
import Testing
import Transport

@testable import ControlPlane

/// The whole server, with sockets on loopback and certificates of its own.
@Suite struct APIServerTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    /// Services are given their addresses from here.
    private let serviceRange = Box("10.96.0.0/16")

    private struct Running {
        let server: APIServer
        let pki: ClusterPKI
        let loops: EventLoops
        let client: HTTPAPIClient
        let http: HTTPClient
        var url: String { "https://127.0.0.1:\(server.securePort)" }
    }

    private func make(
        _ loops: EventLoops, port: Int = 0, advertising address: String = "192.0.2.1"
    ) async throws -> (APIServer, ClusterPKI) {
        let address = try #require(IPAddress(address))
        let pki = try ClusterPKI.open(dataDir: folder.path, addresses: [address], nodeName: "n1", log: quiet)
        var config = APIServerConfig(
            storePath: "\(folder.path)/store.db", serviceCIDR: try #require(CIDR(serviceRange.value)),
            advertiseAddress: address, securePort: port, insecurePort: 0,
            tokens: ["s3cret": UserInfo(name: "robot", groups: ["system:masters"])])
        config.listensOnAdvertiseAddress = false
        return (try await APIServer(config, pki: pki, loops: loops, log: quiet), pki)
    }

    private func withServer(_ body: (Running) async throws -> Void) async throws {
        let loops = EventLoops(count: 1)
        let (server, pki) = try await make(loops)
        do {
            try await server.start()
            let tls = try pki.clientTLS(.admin)
            let url = "https://127.0.0.1:\(server.securePort)"
            let client = HTTPAPIClient(server: url, tls: tls, loops: loops, log: quiet)
            let http = HTTPClient(loops: loops, tls: try ClientTLS(authorities: pki.authority), log: quiet)
            // No controller makes it here, and pods need it.
            let account: JSON = ["metadata": ["name": "default"]]
            let error = await refusal { try await client.create(.serviceAccounts, namespace: "default", account) }
            #expect(error?.isAlreadyExists ?? true)
            try await body(Running(server: server, pki: pki, loops: loops, client: client, http: http))
            client.shutdown()
            http.shutdown()
        } catch {
            await server.shutdown()
            await loops.shutdown()
            throw error
        }
        await server.shutdown()
        await loops.shutdown()
    }

    @Test func aFreshClusterHasItsFirstObjects() async throws {
        try await withServer { (running) async throws in
            let namespaces = try await running.client.list(.namespaces)["items"].items.map(\.name)
            #expect(namespaces == ["default", "kube-node-lease", "kube-public", "kube-system"])
            let service = try await running.client.get(.services, namespace: "default", name: "kubernetes")
            #expect(service["spec"]["clusterIP"] == "10.96.0.1" && service["spec"]["ports"][0]["port"] == 443)
            let port = JSON.int(Int64(running.server.securePort))
            let endpoints = try await running.client.get(.endpoints, namespace: "default", name: "kubernetes")
            #expect(endpoints["subsets"][0]["addresses"] == [["ip": "192.0.2.1"]])
            #expect(endpoints["subsets"][0]["ports"] == [["name": "https", "port": port, "protocol": "TCP"]])
            let slice = try await running.client.get(.endpointSlices, namespace: "default", name: "kubernetes")
            #expect(slice["endpoints"][0]["addresses"] == ["192.0.2.1"] && slice["ports"][0]["port"] == port)
            #expect(slice.labels == ["kubernetes.io/service-name": "kubernetes"])
            #expect(try await running.http.send("GET", "\(running.url)/readyz").body == Array("ok".utf8))
        }
    }

    @Test func theKubernetesServiceIsKeptRight() async throws {
        try await withServer { (running) async throws in
            let client = running.client
            try await client.delete(.services, namespace: "default", name: "kubernetes")
            try await client.delete(.endpointSlices, namespace: "default", name: "kubernetes")
            try await client.patch(.endpoints, namespace: "default", name: "kubernetes", ["subsets": []])
            #expect(
                try await eventually {
                    let service = try? await client.get(.services, namespace: "default", name: "kubernetes")
                    let slice = try? await client.get(.endpointSlices, namespace: "default", name: "kubernetes")
                    let endpoints = try await client.get(.endpoints, namespace: "default", name: "kubernetes")
                    return service?["spec"]["clusterIP"] == "10.96.0.1" && slice != nil
                        && endpoints["subsets"].items.count == 1
                })
        }
    }

    @Test func anotherServiceRangeMovesTheKubernetesService() async throws {
        try await withServer { _ in }
        serviceRange.change { $0 = "10.97.0.0/16" }
        try await withServer { (running) async throws in
            let service = try await running.client.get(.services, namespace: "default", name: "kubernetes")
            #expect(service["spec"]["clusterIP"] == "10.97.0.1")
        }
    }

    @Test func credentialsDecide() async throws {
        try await withServer { (running) async throws in
            let pods = "\(running.url)/api/v1/pods"
            func status(_ headers: [(String, String)]) async throws -> Int {
                try await running.http.send("GET", pods, headers: headers).status
            }
            #expect(try await status([]) == 403)
            #expect(try await status([("Authorization", "Bearer nonsense")]) == 401)
            #expect(try await status([("Authorization", "Bearer s3cret")]) == 200)
            let refused = try await running.http.send("GET", pods, headers: [("Authorization", "Bearer nonsense")])
            #expect(try JSON.parse(refused.body)["reason"] == "Unauthorized")
        }
    }

    @Test func thePortWithoutCredentialsIsForThisMachine() async throws {
        try await withServer { (running) async throws in
            let url = "http://127.0.0.1:\(running.server.insecurePort)/api/v1/namespaces"
            #expect(try await running.http.send("GET", url).status == 200)
            #expect(try await running.http.send("GET", url, headers: [("Host", "evil.example")]).status == 403)
            #expect(try await running.http.send("GET", url, headers: [("Origin", "http://localhost")]).status == 403)
        }
    }

    @Test func bodiesAreLimited() async throws {
        try await withServer { (running) async throws in
            let response = try await running.http.send(
                "POST", "\(running.url)/api/v1/namespaces",
                headers: [("Authorization", "Bearer s3cret"), ("Content-Type", "application/json")],
                body: [UInt8](repeating: 0x20, count: (3 << 20) + 1))
            #expect(response.status == 413)
            #expect(try JSON.parse(response.body)["message"] == "Request entity too large: limit is 3145728")
        }
    }

    @Test func everythingIsThereAfterARestart() async throws {
        let kept = Box<JSON>(.null)
        try await withServer { (running) async throws in
            let object = try await running.client.create(
                .configMaps, namespace: "default", ["metadata": ["name": "x"], "data": ["a": "1"]])
            kept.change { $0 = object }
        }
        try await withServer { (running) async throws in
            #expect(try await running.client.get(.configMaps, namespace: "default", name: "x") == kept.value)
            // A watch goes on where it was before.
            let events = try await running.client.watch(
                .configMaps, options: ListOptions(resourceVersion: kept.value.resourceVersion))
            try await running.client.create(.configMaps, namespace: "default", ["metadata": ["name": "y"]])
            for try await event in events {
                #expect(event.kind == .added && event.object.name == "y")
                break
            }
        }
    }

    @Test func aPortThatIsTakenIsNamed() async throws {
        let loops = EventLoops(count: 1)
        let other = HTTPServer(loops: loops, handler: Refuser(), log: quiet)
        let port = try await other.listen(host: "127.0.0.1", port: 0)
        let (server, _) = try await make(loops, port: port)
        let error = await #expect(throws: APIServerError.self) { try await server.start() }
        #expect(
            error?.description.hasPrefix(
                "cannot listen on 127.0.0.1:\(port): Address already in use: another program uses the port") == true)
        #expect(error?.description.contains("--secure-port") == true)
        await server.shutdown()
        await other.shutdown()
        // What was opened is closed again: the store's lock is free.
        let (again, _) = try await make(loops)
        await again.shutdown()
        await loops.shutdown()
    }

    @Test func aLoopbackAddressIsNotAdvertised() async throws {
        let loops = EventLoops(count: 1)
        let (server, _) = try await make(loops, advertising: "127.0.0.1")
        let error = await #expect(throws: APIServerError.self) { try await server.start() }
        #expect(error?.description.hasPrefix("cannot advertise 127.0.0.1") == true)
        await server.shutdown()
        await loops.shutdown()
    }

    @Test func shuttingDownEndsWatches() async throws {
        try await withServer { (running) async throws in
            let events = try await running.client.watch(.namespaces, options: ListOptions())
            var iterator = events.makeAsyncIterator()
            for _ in 0..<4 { #expect(try await iterator.next() != nil) }
            await running.server.shutdown()
            #expect(try await iterator.next() == nil)
        }
    }

    // MARK: - Logs

    private struct Refuser: HTTPHandler {
        func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
            response.respond(status: 503, headers: [], body: [])
        }
    }

    /// A kubelet that shows what it was asked, then sends what the test gives.
    private final class FakeKubelet: HTTPHandler {
        let requests = Box<[HTTPServerRequest]>([])
        let streams = Box<[any HTTPStream]>([])
        let answersWith: Int?
        init(answersWith: Int? = nil) { self.answersWith = answersWith }

        func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
            requests.change { $0.append(request) }
            if let answersWith {
                return response.respond(status: answersWith, headers: [], body: Array("no such log".utf8))
            }
            let stream = response.stream(status: 200, headers: [("Content-Type", "text/plain")])
            streams.change { $0.append(stream) }
        }
    }

    private func withKubelet(
        _ kubelet: FakeKubelet, _ body: (Running) async throws -> Void
    ) async throws {
        try await withServer { (running) async throws in
            let node = HTTPServer(loops: running.loops, handler: kubelet, tls: running.pki.kubeletServerTLS, log: quiet)
            let port = try await node.listen(host: "127.0.0.1", port: 0)
            try await running.client.create(
                .nodes,
                [
                    "metadata": ["name": "n1"],
                    "status": [
                        "addresses": [
                            ["type": "Hostname", "address": "n1"], ["type": "InternalIP", "address": "127.0.0.1"],
                        ],
                        "daemonEndpoints": ["kubeletEndpoint": ["Port": .int(Int64(port))]],
                    ],
                ])
            var pod = try await running.client.create(
                .pods, namespace: "default",
                [
                    "metadata": ["name": "p"],
                    "spec": ["nodeName": "n1", "containers": [["name": "main", "image": "i"]]],
                ])
            pod["status"]["phase"] = "Running"
            try await running.client.update(.pods, subresource: "status", pod)
            do {
                try await body(running)
            } catch {
                await node.shutdown(grace: .zero)
                throw error
            }
            await node.shutdown(grace: .zero)
        }
    }

    private let authorization = [("Authorization", "Bearer s3cret")]

    @Test func logsComeFromThePodsNode() async throws {
        let kubelet = FakeKubelet()
        try await withKubelet(kubelet) { (running) async throws in
            let url =
                "\(running.url)/api/v1/namespaces/default/pods/p/log?follow=true&tailLines=5&timestamps=1&limitBytes=9"
            async let answer = running.http.open("GET", url, headers: authorization)
            #expect(try await eventually { kubelet.streams.value.count == 1 })
            let request = try #require(kubelet.requests.value.first)
            #expect(request.path == "/containerLogs/default/p/main")
            #expect(
                Set(request.rawQuery.split(separator: "&")) == [
                    "follow=true", "timestamps=true", "tailLines=5", "limitBytes=9",
                ])
            #expect(request.peer.certificate?.commonName == "kube-apiserver-kubelet-client")
            #expect(request.peer.certificate?.organizations == ["system:masters"])
            let stream = try #require(kubelet.streams.value.first)
            stream.write(Frame(Array("one\n".utf8)))
            let log = try await answer
            var iterator = log.body.makeAsyncIterator()
            #expect(try await iterator.next() == Array("one\n".utf8))
            stream.write(Frame(Array("two\n".utf8)))
            #expect(try await iterator.next() == Array("two\n".utf8))
            stream.finish()
            #expect(try await iterator.next() == nil)
        }
    }

    @Test func aClientThatGoesEndsTheKubeletsAnswer() async throws {
        let kubelet = FakeKubelet()
        try await withKubelet(kubelet) { (running) async throws in
            let url = "\(running.url)/api/v1/namespaces/default/pods/p/log?follow=true"
            let closed = Counter()
            let reader = Task {
                let log = try await running.http.open("GET", url, headers: authorization)
                for try await _ in log.body {}
            }
            #expect(try await eventually { kubelet.streams.value.count == 1 })
            kubelet.streams.value.first?.onClose { closed.add(1) }
            kubelet.streams.value.first?.write(Frame(Array("one\n".utf8)))
            reader.cancel()
            _ = await reader.result
            #expect(try await eventually { closed.value == 1 })
        }
    }

    /// Somebody who does not read must not fill our memory: the kubelet is held up.
    @Test func aClientThatDoesNotReadHoldsUpTheKubelet() async throws {
        let kubelet = FakeKubelet()
        try await withKubelet(kubelet) { (running) async throws in
            let url = "\(running.url)/api/v1/namespaces/default/pods/p/log"
            async let answer = running.http.open("GET", url, headers: authorization)
            #expect(try await eventually { kubelet.streams.value.count == 1 })
            let stream = try #require(kubelet.streams.value.first)
            let chunk = Frame([UInt8](repeating: 0x61, count: 64 << 10))
            stream.write(chunk)
            let log = try await answer
            // 256 MiB would be far beyond all socket buffers on the way.
            var sent = 1
            var stalled = 0
            while stalled < 50 && sent < 4096 {
                if stream.isWritable {
                    #expect(stream.write(chunk))
                    sent += 1
                    stalled = 0
                } else {
                    stalled += 1
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
            #expect(sent < 4096)
            stream.finish()
            var received = 0
            for try await bytes in log.body { received += bytes.count }
            #expect(received == sent * chunk.bytes.count)
        }
    }

    @Test func whatTheKubeletRefusesIsPassedOn() async throws {
        try await withKubelet(FakeKubelet(answersWith: 400)) { (running) async throws in
            let url = "\(running.url)/api/v1/namespaces/default/pods/p/log"
            let answer = try await running.http.send("GET", url, headers: authorization)
            #expect(answer.status == 400)
            #expect(try JSON.parse(answer.body)["message"] == "no such log")
        }
    }

    @Test func aKubeletThatIsNotThereIsNamed() async throws {
        try await withServer { (running) async throws in
            try await running.client.create(
                .nodes,
                [
                    "metadata": ["name": "n1"],
                    "status": [
                        "addresses": [["type": "InternalIP", "address": "127.0.0.1"]],
                        "daemonEndpoints": ["kubeletEndpoint": ["Port": 1]],
                    ],
                ])
            var pod = try await running.client.create(
                .pods, namespace: "default",
                [
                    "metadata": ["name": "p"],
                    "spec": ["nodeName": "n1", "containers": [["name": "main", "image": "i"]]],
                ])
            pod["status"]["phase"] = "Running"
            try await running.client.update(.pods, subresource: "status", pod)
            let answer = try await running.http.send(
                "GET", "\(running.url)/api/v1/namespaces/default/pods/p/log", headers: authorization)
            #expect(answer.status == 500)
            let message = try JSON.parse(answer.body)["message"].stringValue
            #expect(message.contains("cannot connect to 127.0.0.1:1: Connection refused"))
        }
    }
}
