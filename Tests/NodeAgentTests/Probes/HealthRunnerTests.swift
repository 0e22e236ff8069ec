import KubeAPI
import Logging
import Testing
import Transport

@testable import NodeAgent

/// Probes and hooks against a server and commands that a test makes.
@Suite struct HealthRunnerTests {
    private struct Commands: CommandRunner {
        var result: Result<CommandResult, HealthActionError>
        func run(_ command: [String], in target: HealthTarget, timeout: Duration?) async throws(HealthActionError)
            -> CommandResult
        {
            try result.get()
        }
    }

    /// Answers by the path: `/500` with that status, `/to?x` with a redirect to x.
    private struct Pages: HTTPHandler {
        func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
            if request.path == "/to" {
                let place = request.query.first?.name ?? ""
                return response.respond(status: 302, headers: [("Location", place)], body: Array("moved".utf8))
            }
            if request.path == "/loop" {
                return response.respond(status: 307, headers: [("Location", "/loop")], body: [])
            }
            let status = Int(request.path.dropFirst()) ?? 200
            response.respond(status: status, headers: [], body: Array(request.path.utf8))
        }
    }

    private let container = Container(["name": "main", "env": [["name": "A", "value": "x"]]])
    private var target: HealthTarget {
        HealthTarget(podUID: "u", podIP: "127.0.0.1", container: container, containerID: "a")
    }

    private func withServer(_ body: (NodeHealthRunner, _ port: Int) async throws -> Void) async throws {
        let loops = EventLoops(count: 1)
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = HTTPServer(loops: loops, handler: Pages(), tls: nil, log: log)
        let port = try await server.listen(host: "127.0.0.1", port: 0)
        try await body(NodeHealthRunner(dialer: try Dialer(loops: loops), commands: nil), port)
        await server.shutdown()
        await loops.shutdown()
    }

    private func get(_ path: String, _ port: Int, scheme: String = "HTTP") -> HealthAction {
        HealthAction(["httpGet": ["port": .int(Int64(port)), "path": .string(path), "scheme": .string(scheme)]])
    }

    @Test func theStatusDecides() async throws {
        try await withServer { runner, port in
            func probe(_ path: String) async -> ProbeOutcome {
                await runner.probe(get(path, port), of: target, timeout: .seconds(30))
            }
            #expect(await probe("/200") == .success)
            #expect(await probe("/299") == .success)
            #expect(await probe("/304") == .warning("Probe terminated redirects, Response body: "))
            #expect(await probe("/400") == .failure("HTTP probe failed with statuscode: 400"))
            #expect(await probe("/503") == .failure("HTTP probe failed with statuscode: 503"))
        }
    }

    @Test func redirectsAreFollowedOnTheSameHostOnly() async throws {
        try await withServer { runner, port in
            func probe(_ path: String) async -> ProbeOutcome {
                await runner.probe(get(path, port), of: target, timeout: .seconds(30))
            }
            #expect(await probe("/to?/200") == .success)
            #expect(await probe("/to?/500") == .failure("HTTP probe failed with statuscode: 500"))
            #expect(await probe("/to?//elsewhere/") == .warning("Probe terminated redirects, Response body: moved"))
            #expect(
                await probe("/loop")
                    == .failure("Get \"http://127.0.0.1:\(port)/loop\": stopped after 10 redirects"))
        }
    }

    @Test func plainServersAreToldFromTLS() async throws {
        try await withServer { runner, port in
            #expect(
                await runner.probe(get("/", port, scheme: "HTTPS"), of: target, timeout: .seconds(30))
                    == .failure(
                        "Get \"https://127.0.0.1:\(port)/\": http: server gave HTTP response to HTTPS client"))
            // A hook is content with that, as it is with any answer.
            let server = try await runner.run(hook: get("/500", port, scheme: "HTTPS"), of: target)
            #expect(server == "127.0.0.1:\(port)")
        }
    }

    @Test func aPortIsOpenOrNot() async throws {
        let deaf = try DeafPort()
        let free = deaf.number
        try await withServer { runner, port in
            let action = HealthAction(["tcpSocket": ["port": .int(Int64(port))]])
            #expect(await runner.probe(action, of: target, timeout: .seconds(30)) == .success)
        }
        try await withServer { runner, _ in
            let action = HealthAction(["tcpSocket": ["port": .int(Int64(free))]])
            #expect(
                await runner.probe(action, of: target, timeout: .seconds(30))
                    == .failure("dial tcp 127.0.0.1:\(free): connect: connection refused", nobodyListens: true))
            await #expect {
                _ = try await runner.run(hook: get("/", free), of: target)
            } throws: {
                "\($0)" == "Get \"http://127.0.0.1:\(free)/\": dial tcp 127.0.0.1:\(free): connect: connection refused"
            }
        }
        withExtendedLifetime(deaf) {}
    }

    @Test func commandsAreHealthyByTheirCode() async throws {
        let loops = EventLoops(count: 1)
        func probe(_ result: Result<CommandResult, HealthActionError>) async throws -> ProbeOutcome {
            let runner = NodeHealthRunner(dialer: try Dialer(loops: loops), commands: Commands(result: result))
            return await runner.probe(
                HealthAction(["exec": ["command": ["cat", "$(A)"]]]), of: target, timeout: .seconds(2))
        }
        #expect(try await probe(.success(CommandResult(end: .exited(0), output: "fine"))) == .success)
        #expect(try await probe(.success(CommandResult(end: .exited(1), output: "no file"))) == .failure("no file"))
        #expect(
            try await probe(.success(CommandResult(end: .timedOut, output: "")))
                == .failure("command timed out: \"cat x\" timed out after 2s"))
        #expect(
            try await probe(.failure(HealthActionError("no such program")))
                == .error(state: "unknown", message: "no such program"))
        await loops.shutdown()
    }

    @Test func whatNobodyKnowsIsAnError() async throws {
        try await withServer { runner, _ in
            #expect(
                await runner.probe(.none, of: target, timeout: .seconds(1))
                    == .error(state: "unknown", message: "missing probe handler for main"))
            await #expect(throws: HealthActionError.self) {
                _ = try await runner.run(hook: HealthAction(["tcpSocket": ["port": 80]]), of: target)
            }
        }
    }
}
