import KubeAPI
import Synchronization
import Testing
import Transport

@testable import NodeAgent

/// Who may ask the node.
@Suite struct NodeAccessTests {
    private func peer(_ name: String, _ groups: [String] = [], validFor: Duration = .seconds(60)) -> PeerIdentity {
        PeerIdentity(
            address: "192.0.2.9", port: 4000, isTLS: true,
            certificate: ClientCertificate(
                commonName: name, organizations: groups, notAfter: Sample.now + validFor, fingerprint: "f"))
    }
    /// 0 where the API server is to be asked, nil for whoever may.
    private func code(_ peer: PeerIdentity, _ authorization: String? = nil) -> Int? {
        switch NodeAccess.verdict(peer, authorization: authorization, now: Sample.now) {
        case .allowed: nil
        case .refused(let error): error.code
        case .asked: 0
        }
    }

    @Test func theAPIServerAndAdministratorsMay() {
        #expect(code(peer("kube-apiserver-kubelet-client")) == nil)
        #expect(code(peer("anybody", ["system:masters"])) == nil)
    }

    @Test func othersAreAskedAbout() {
        #expect(code(peer("system:node:node2", ["system:nodes"])) == 0)
        let stranger = PeerIdentity(address: "192.0.2.9", port: 4000, isTLS: true)
        #expect(code(stranger, "Bearer abc") == 0)
        #expect(code(stranger, "Bearer ") == 401)
        #expect(code(stranger, "Basic abc") == 401)
    }

    @Test func whoShowsNothingGoodMayNot() {
        #expect(code(PeerIdentity(address: "192.0.2.9", port: 4000, isTLS: true)) == 401)
        #expect(code(PeerIdentity(address: "127.0.0.1", port: 4000)) == 401)
        #expect(code(peer("anybody", ["system:masters"], validFor: .seconds(-1))) == 401)
        var bad = peer("anybody", ["system:masters"])
        bad.certificate = nil
        bad.certificateError = "expired"
        #expect(code(bad) == 401)
    }

    @Test func aPathBelongsToASubresource() {
        #expect(NodeAccess.subresources(of: "/metrics/resource") == ["metrics"])
        #expect(NodeAccess.subresources(of: "/stats/summary") == ["stats"])
        #expect(NodeAccess.subresources(of: "/pods") == ["pods", "proxy"])
        #expect(NodeAccess.subresources(of: "/exec/default/web/main") == ["proxy"])
        #expect(NodeAccess.verb(of: "POST") == "create" && NodeAccess.verb(of: "HEAD") == "get")
    }

    @Test func theAPIServerSaysWhoMay() async {
        let api = ReviewingAPI()
        let authorizer = NodeAuthorizer(client: api, nodeName: "node1")
        func refusal(_ client: NodeAuthorizer.Client, _ subresources: [String]) async -> String? {
            await authorizer.refusal(of: client, verb: "get", subresources: subresources)?.message
        }
        #expect(await refusal(.token("good"), ["metrics"]) == nil)
        #expect(await refusal(.token("good"), ["metrics"]) == nil)
        #expect(api.asked.withLock { $0 } == ["who good", "may alice get nodes/metrics of node1"])
        #expect(await refusal(.token("bad"), ["metrics"]) == "Unauthorized")
        #expect(
            await refusal(.token("good"), ["pods", "proxy"])
                == "Forbidden (user=alice, verb=get, resource=nodes, subresource(s)=[pods proxy])")
        #expect(
            await refusal(.user(name: "bob", groups: []), ["stats"])
                == "Forbidden (user=bob, verb=get, resource=nodes, subresource(s)=[stats])")
        let alone = NodeAuthorizer(client: nil, nodeName: "node1")
        #expect(await alone.refusal(of: .token("good"), verb: "get", subresources: ["metrics"])?.code == 401)
    }

    @Test func whoeverCanOpenTheSocketMay() {
        #expect(code(PeerIdentity(address: "", port: 0)) == nil)
    }
}

/// Knows the token `good`, which is alice, who may read metrics.
private final class ReviewingAPI: APIClient {
    let asked = Mutex<[String]>([])

    func send(_ request: APIRequest) async throws -> APIResponse {
        let review = try JSON.parse(request.body)
        let spec = review["spec"]
        var answer = review
        if review.kind == "TokenReview" {
            asked.withLock { $0.append("who \(spec["token"].stringValue)") }
            answer["status"] =
                spec["token"] == "good"
                ? ["authenticated": true, "user": ["username": "alice"]] : ["authenticated": false]
        } else {
            let what = spec["resourceAttributes"]
            asked.withLock {
                $0.append(
                    "may \(spec["user"].stringValue) \(what["verb"].stringValue) "
                        + "\(what["resource"].stringValue)/\(what["subresource"].stringValue) of "
                        + what["name"].stringValue)
            }
            answer["status"] = ["allowed": .bool(spec["user"] == "alice" && what["subresource"] == "metrics")]
        }
        return APIResponse(status: 201, body: answer.serialized())
    }

    func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream { $0.finish() }
    }
}

/// Which run's log is meant.
@Suite struct ContainerLogsTests {
    private func snapshot(_ state: PodState, waiting: [String: PodState.Waiting] = [:]) throws -> PodSnapshot {
        let pod = try Sample.plainPod()
        let status = PodStatus.make(
            PodStatus.Input(pod: pod, state: state, waiting: waiting, hostIPs: [], known: .null, now: Sample.now))
        return PodSnapshot(pod: pod, state: state, status: status, timings: PodStartTimings(seenAt: Sample.start))
    }
    private func attempt(_ snapshot: PodSnapshot, previous: Bool = false) throws -> Int {
        try ContainerLogs.run(of: "main", in: snapshot, previous: previous).attempt
    }

    @Test func ofARestartedContainer() throws {
        var state = Sample.state(["main": Sample.running("b", attempt: 1)])
        state.containers["main"]?.previous = Sample.ended(1, attempt: 0)
        #expect(try attempt(snapshot(state)) == 1)
        #expect(try attempt(snapshot(state), previous: true) == 0)
    }

    @Test func ofOneThatWaitsToBeRestarted() throws {
        let state = Sample.state(["main": Sample.ended(1, attempt: 3)])
        let waiting = ["main": PodState.Waiting(reason: "CrashLoopBackOff")]
        #expect(try attempt(snapshot(state, waiting: waiting)) == 3)
        #expect(try attempt(snapshot(state, waiting: waiting), previous: true) == 3)
    }

    @Test func ofOneThatHasNone() throws {
        let fresh = try snapshot(Sample.state())
        #expect { try attempt(fresh) } throws: {
            "\($0)" == "container \"main\" in pod \"web\" is waiting to start: ContainerCreating"
        }
        #expect { try attempt(try snapshot(Sample.state(["main": Sample.running()])), previous: true) } throws: {
            "\($0)" == "previous terminated container \"main\" in pod \"web\" not found"
        }
        #expect { try ContainerLogs.run(of: "other", in: fresh, previous: false) } throws: {
            "\($0)" == "container \"other\" in pod \"web\" not found"
        }
    }
}

/// What commands on the machine are told, and what is counted.
@Suite struct NodeListsTests {
    private func snapshots() throws -> [PodSnapshot] {
        var run = Sample.running("abc", attempt: 2)
        run.pid = 42
        run.imageID = "sha256:1"
        let state = Sample.state(["main": run])
        return [
            PodSnapshot(
                pod: try Sample.plainPod(), state: state, status: ["containerStatuses": []],
                timings: PodStartTimings(seenAt: Sample.start))
        ]
    }

    @Test func containers() throws {
        let item = LocalLists.containers(try snapshots())["items"][0]
        #expect(
            item == [
                "id": "abc", "pod": "web", "namespace": "default", "uid": "uid-1", "name": "main", "image": "demo",
                "command": [], "imageID": "sha256:1", "state": "Running", "pid": 42, "ip": "10.244.0.5", "attempt": 2,
                "createdAt": "2026-03-04T05:06:07Z",
            ])
    }

    @Test func imagesInUse() throws {
        #expect(
            LocalLists.usedImages(try snapshots(), idOf: { _ in nil }) == [
                "items": [["id": "sha256:1", "user": "pod default/web"]]
            ])
    }

    @Test func metricsHaveTheirUsualNames() throws {
        let metrics = NodeMetrics()
        metrics.runtimeOperation("start_container", took: .milliseconds(3), failed: false)
        metrics.runtimeOperation("start_container", took: .milliseconds(30), failed: true)
        metrics.podStarted(try Sample.plainPod(), took: .milliseconds(7))
        let text = metrics.text(nodeName: "node1", pods: try snapshots())
        for line in [
            "kubelet_node_name{node=\"node1\"} 1", "kubelet_running_pods 1",
            "kubelet_running_containers{container_state=\"running\"} 1",
            "kubelet_runtime_operations_total{operation_type=\"start_container\"} 2",
            "kubelet_runtime_operations_errors_total{operation_type=\"start_container\"} 1",
            "kubelet_runtime_operations_duration_seconds_bucket{operation_type=\"start_container\",le=\"0.005\"} 1",
            "kubelet_runtime_operations_duration_seconds_bucket{operation_type=\"start_container\",le=\"+Inf\"} 2",
            "kubelet_pod_start_duration_seconds_bucket{le=\"0.01\"} 1", "kubelet_pod_start_duration_seconds_count 1",
            "kubelet_pod_start_sli_duration_seconds_count 1",
        ] { #expect(text.contains(line + "\n"), "\(line)") }
    }
}
