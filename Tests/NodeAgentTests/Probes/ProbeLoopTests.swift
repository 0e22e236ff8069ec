import KubeAPI
import Synchronization
import Testing

@testable import NodeAgent

/// How a container is probed again and again. No test waits for a period: what is due is due at once.
@Suite struct ProbeLoopTests {
    /// Answers from a list, and the last of it for ever.
    private final class Script: HealthRunner {
        private let outcomes: Mutex<[ProbeOutcome]>
        private let asked = Mutex(0)
        init(_ outcomes: [ProbeOutcome]) { self.outcomes = Mutex(outcomes) }
        var count: Int { asked.withLock { $0 } }
        func probe(_ action: HealthAction, of target: HealthTarget, timeout: Duration) async -> ProbeOutcome {
            asked.withLock { $0 += 1 }
            return outcomes.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }
        func run(hook action: HealthAction, of target: HealthTarget) async throws(HealthActionError) -> String? { nil }
    }

    private static let refused = ProbeOutcome.failure("connection refused", nobodyListens: true)

    /// The first outcomes that a loop tells.
    private func told(_ count: Int, _ kind: ProbeKind, _ script: Script, periodSeconds: Int = 3600) async throws
        -> [ProbeOutcome]
    {
        let container = Container(
            [
                "name": "main",
                .init(kind.field): ["tcpSocket": ["port": 80], "periodSeconds": .int(Int64(periodSeconds))],
            ])
        let (outcomes, tell) = AsyncStream<ProbeOutcome>.makeStream()
        let metrics = ProbeMetrics()
        let loop = ProbeLoop(
            spec: try #require(container.probe(kind)),
            target: HealthTarget(podUID: "u", podIP: "10.0.0.5", container: container, containerID: "a"),
            runner: script, metrics: metrics,
            labels: ProbeMetrics.Labels(kind: kind, namespace: "default", pod: "web", podUID: "u", container: "main"),
            firstPatience: .seconds(3600), tell: { tell.yield($0) })
        let task = Task { await loop.run(from: .now) }
        defer { task.cancel() }
        var result: [ProbeOutcome] = []
        for await outcome in outcomes {
            result.append(outcome)
            if result.count == count { break }
        }
        return result
    }

    @Test func theFirstProbeComesAtOnce() async throws {
        #expect(try await told(1, .readiness, Script([.success])) == [.success])
    }

    @Test func aProgramThatDoesNotListenYetIsAwaited() async throws {
        let script = Script([Self.refused, Self.refused, .success])
        #expect(try await told(1, .readiness, script) == [.success])
        #expect(script.count == 3)
    }

    @Test func onceSomebodyListensWhatHeSaysCounts() async throws {
        let script = Script([Self.refused, .failure("HTTP probe failed with statuscode: 500")])
        #expect(try await told(1, .startup, script) == [.failure("HTTP probe failed with statuscode: 500")])
    }

    @Test func livenessIsToldAsItIs() async throws {
        #expect(try await told(1, .liveness, Script([Self.refused, .success])) == [Self.refused])
    }

    @Test func aProbeThatDoesNotWorkIsTriedThreeTimes() async throws {
        let error = ProbeOutcome.error(state: "unknown", message: "no")
        let script = Script([error, error, .success])
        #expect(try await told(1, .liveness, script) == [.success])
        let broken = Script([error])
        #expect(try await told(1, .liveness, broken) == [error])
        #expect(broken.count == 3)
    }

    @Test func whatStaysHealthyIsToldOnce() async throws {
        let script = Script([.success, .success, .success, .failure("no")])
        #expect(try await told(2, .liveness, script, periodSeconds: 1) == [.success, .failure("no")])
    }

    @Test func resultsAreCountedUntilThePodIsGone() {
        let metrics = ProbeMetrics()
        let labels = ProbeMetrics.Labels(
            kind: .liveness, namespace: "default", pod: "web", podUID: "u", container: "main")
        metrics.observe(.success, labels, took: .milliseconds(3))
        metrics.observe(.failure("x"), labels, took: .milliseconds(3))
        metrics.observe(.failure("y"), labels, took: .milliseconds(3))
        metrics.observe(.error(state: "unknown", message: "z"), labels, took: .milliseconds(3))
        let text = metrics.text()
        let common = "container=\"main\",namespace=\"default\",pod=\"web\""
        #expect(
            text.contains(
                "\nprober_probe_total{\(common),pod_uid=\"u\",probe_type=\"Liveness\",result=\"failed\"} 2\n"))
        #expect(
            text.contains(
                "\nprober_probe_total{\(common),pod_uid=\"u\",probe_type=\"Liveness\",result=\"successful\"} 1\n"))
        #expect(
            text.contains(
                "\nprober_probe_total{\(common),pod_uid=\"u\",probe_type=\"Liveness\",result=\"unknown\"} 1\n"))
        #expect(
            text.contains("\nprober_probe_duration_seconds_count{\(common),probe_type=\"Liveness\"} 1\n"))
        metrics.forget(podUID: "u")
        #expect(!metrics.text().contains("main"))
    }
}
