@testable import KubeAPI
import Testing

@Suite(.timeLimit(.minutes(1))) struct APIClientTests {
    private let server = FakeServer()

    @Test func turnsErrorsIntoStatusErrors() async throws {
        server.trouble(.status(.notFound("configmaps", name: "x")))
        let error = await #expect(throws: StatusError.self) {
            try await server.get(.configMaps, namespace: "n", name: "x")
        }
        #expect(error?.isNotFound == true)
        #expect(error?.code == 404)
        #expect(error?.message == "configmaps \"x\" not found")
        #expect(error?.details == ["name": "x", "kind": "configmaps"])
    }

    @Test func sendsWhatIsAsked() async throws {
        try await server.create(.pods, namespace: "n", name: "p", subresource: "binding", ["kind": "Binding"])
        try await server.update(.nodes, subresource: "status", ["metadata": ["name": "n1"]])
        try await server.patch(.pods, namespace: "n", name: "p", type: .strategic, ["a": 1])
        try await server.delete(.pods, namespace: "n", name: "p", options: ["gracePeriodSeconds": 0])
        try await server.delete(.pods, namespace: "n", name: "p")
        let requests = server.requests
        #expect(
            requests.map { "\($0.method.rawValue) \($0.path)" } == [
                "POST /api/v1/namespaces/n/pods/p/binding", "PUT /api/v1/nodes/n1/status",
                "PATCH /api/v1/namespaces/n/pods/p",
                "DELETE /api/v1/namespaces/n/pods/p", "DELETE /api/v1/namespaces/n/pods/p",
            ])
        #expect(requests[2].contentType == "application/strategic-merge-patch+json")
        #expect(String(decoding: requests[3].body, as: UTF8.self) == #"{"gracePeriodSeconds":0}"#)
        #expect(requests[4].body == [])
    }

    @Test func watchesUntilAnError() async throws {
        server.trouble(.gone)
        let events = try await server.watch(.configMaps, options: ListOptions(resourceVersion: "5", timeoutSeconds: 9))
        let error = await #expect(throws: StatusError.self) { for try await _ in events {} }
        #expect(error?.isExpired == true)
        let request = try #require(server.requests.first)
        #expect(request.parameter("watch") == "true")
        #expect(request.parameter("timeoutSeconds") == "9")
    }

    @Test func skipsEventsOfUnknownTypes() async throws {
        let events = try await server.watch(.configMaps, options: ListOptions())
        server.put("a")
        server.bookmark()
        server.remove("a")
        server.dropWatches()
        var kinds: [WatchEvent.Kind] = []
        for try await event in events { kinds.append(event.kind) }
        #expect(kinds == [.added, .bookmark, .deleted])
    }

    @Test func writesStatuses() {
        let invalid = StatusError.invalid(
            kind: "Pod", name: "p", [.required("spec.containers"), .invalid("spec.x", "v", "bad")])
        #expect(
            invalid.message
                == "Pod \"p\" is invalid: [spec.containers: Required value, spec.x: Invalid value: \"v\": bad]")
        #expect(
            invalid.json["details"]["causes"][1] == [
                "reason": "FieldValueInvalid", "message": "Invalid value: \"v\": bad", "field": "spec.x",
            ])
        #expect(invalid.json["code"] == 422)
        #expect(
            StatusError.conflict("pods", name: "p").message
                == "Operation cannot be fulfilled on pods \"p\": the object has been modified; please apply your changes to the latest version and try again"
        )
        #expect(
            StatusError.alreadyExists("leases", group: "coordination.k8s.io", name: "l").message
                == "leases.coordination.k8s.io \"l\" already exists")
        let again = StatusError(status: invalid.json)
        #expect(again.reason == "Invalid")
        #expect(again.details == invalid.details)
        #expect(StatusError(status: .null, code: 502).message == "the server answered with status 502")
        #expect(
            FieldError.notSupported("a", "x", ["b", "c"]).description
                == #"a: Unsupported value: "x": supported values: "b", "c""#)
        #expect(FieldError.duplicate("a", 5).description == "a: Duplicate value: 5")
        #expect(FieldError.forbidden("a", "no").description == "a: Forbidden: no")
    }
}
