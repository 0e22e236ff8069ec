@testable import KubeAPI
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct EventRecorderTests {
    /// Keeps what it is asked, and answers what it is told to.
    private final class Sink: APIClient {
        let journal = Journal<APIRequest>()
        private let answers = Mutex<[FakeServer.Trouble]>([])

        func answer(_ troubles: FakeServer.Trouble...) { answers.withLock { $0 += troubles } }

        func send(_ request: APIRequest) async throws -> APIResponse {
            let trouble = answers.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            defer { journal.write(request) }
            switch trouble {
            case .unreachable: throw APIConnectionError("connection refused")
            case .status(let error): return APIResponse(status: error.code, body: error.json.serialized())
            default: return APIResponse(status: 200, body: request.body)
            }
        }

        func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error> {
            throw APIConnectionError("no watches here")
        }
    }

    private let sink = Sink()
    private let pod: JSON = [
        "kind": "Pod", "apiVersion": "v1",
        "metadata": ["name": "p", "namespace": "n", "uid": "u", "resourceVersion": "5"],
    ]

    @Test func makesAnEvent() async throws {
        let recorder = EventRecorder(client: sink, component: "kubelet", host: "n1")
        recorder.record(
            object: pod, type: .warning, reason: "BackOff", message: "waiting", fieldPath: "spec.containers{a}")
        let request = try #require(await sink.journal.next().first)
        #expect(request.method == .post)
        #expect(request.path == "/api/v1/namespaces/n/events")
        let event = try JSON.parse(request.body)
        #expect(event.name.hasPrefix("p."))
        #expect(event.namespace == "n")
        #expect(
            event["involvedObject"] == [
                "kind": "Pod", "apiVersion": "v1", "name": "p", "namespace": "n", "uid": "u", "resourceVersion": "5",
                "fieldPath": "spec.containers{a}",
            ])
        #expect(event["type"] == "Warning")
        #expect(event["reason"] == "BackOff")
        #expect(event["count"] == 1)
        #expect(event["source"] == ["component": "kubelet", "host": "n1"])
        #expect(event["firstTimestamp"] == event["lastTimestamp"])
        #expect(Timestamp(event["firstTimestamp"]) != nil)
        // It is an event in every respect.
        let schema = try #require(Scheme.builtin.schema(apiVersion: "v1", kind: "Event"))
        #expect(schema.typeErrors(event) == [])
    }

    @Test func theSameAgainRaisesTheCount() async throws {
        let recorder = EventRecorder(client: sink, component: "kubelet")
        for _ in 0..<3 { recorder.record(object: pod, type: .normal, reason: "Pulled", message: "m") }
        recorder.record(object: pod, type: .normal, reason: "Pulled", message: "other")
        let requests = await sink.journal.next(4)
        #expect(requests.map(\.method) == [.post, .patch, .patch, .post])
        let name = try JSON.parse(requests[0].body).name
        #expect(requests[1].path == "/api/v1/namespaces/n/events/\(name)")
        #expect(requests[1].contentType == "application/merge-patch+json")
        #expect(try requests[1...2].map { try JSON.parse($0.body)["count"] } == [2, 3])
    }

    @Test func makesAnotherWhenTheFirstIsGone() async {
        let recorder = EventRecorder(client: sink, component: "kubelet")
        recorder.record(object: pod, type: .normal, reason: "Pulled", message: "m")
        _ = await sink.journal.next()
        sink.answer(.status(.notFound("events", name: "x")))
        recorder.record(object: pod, type: .normal, reason: "Pulled", message: "m")
        #expect(await sink.journal.next(2).map(\.method) == [.patch, .post])
    }

    @Test func eventsOfClusterObjectsLiveInDefault() async throws {
        let recorder = EventRecorder(client: sink, component: "kubelet")
        recorder.record(
            object: ["kind": "Node", "apiVersion": "v1", "metadata": ["name": "n1"]], type: .normal, reason: "R",
            message: "m")
        let request = try #require(await sink.journal.next().first)
        #expect(request.path == "/api/v1/namespaces/default/events")
    }

    @Test func namesStayApart() async throws {
        let recorder = EventRecorder(client: sink, component: "kubelet")
        for number in 0..<50 { recorder.record(object: pod, type: .normal, reason: "R", message: "m\(number)") }
        let names = try await sink.journal.next(50).map { try JSON.parse($0.body).name }
        #expect(Set(names).count == 50)
    }

    @Test func cutsWhatKubernetesWouldRefuse() async throws {
        let recorder = EventRecorder(client: sink, component: "kubelet")
        let long: JSON = [
            "kind": "Pod", "apiVersion": "v1", "metadata": ["name": .string(String(repeating: "x", count: 253))],
        ]
        recorder.record(object: long, type: .normal, reason: "R", message: String(repeating: "é", count: 1000))
        let event = try JSON.parse(try #require(await sink.journal.next().first).body)
        #expect(event.name.utf8.count <= 253)
        #expect(NameValidation.dns1123Subdomain(event.name) == [])
        #expect(event["message"].stringValue == String(repeating: "é", count: 512))
    }

    @Test func waitsForTheServer() async {
        sink.answer(.unreachable, .unreachable)
        let recorder = EventRecorder(client: sink, component: "kubelet")
        recorder.record(object: pod, type: .normal, reason: "A", message: "m")
        recorder.record(object: pod, type: .normal, reason: "B", message: "m")
        let reasons = await sink.journal.next(4).map { (try? JSON.parse($0.body))?["reason"].stringValue ?? "" }
        #expect(reasons == ["A", "A", "A", "B"])
    }

    @Test func whatIsRefusedIsNotTriedAgain() async {
        sink.answer(.status(.forbidden("the namespace is being terminated")))
        let recorder = EventRecorder(client: sink, component: "kubelet")
        recorder.record(object: pod, type: .normal, reason: "A", message: "m")
        recorder.record(object: pod, type: .normal, reason: "B", message: "m")
        let reasons = await sink.journal.next(2).map { (try? JSON.parse($0.body))?["reason"].stringValue ?? "" }
        #expect(reasons == ["A", "B"])
    }
}
