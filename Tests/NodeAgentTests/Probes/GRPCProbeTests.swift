import Testing
import Transport

@testable import NodeAgent

/// gRPC's answers in the words of Kubernetes.
@Suite struct GRPCProbeTests {
    @Test(arguments: [
        (GRPCHealth.status(1), ProbeOutcome.success),
        (.status(2), .failure("service unhealthy (responded with \"NOT_SERVING\")")),
        (.status(9), .failure("service unhealthy (responded with \"9\")")),
        (
            .failed(code: 12, message: "unknown service grpc.health.v1.Health"),
            .failure(
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service grpc.health.v1.Health"
            )
        ),
        (.failed(code: 4, message: "x"), .failure("timeout: health rpc did not complete within 2s")),
        (
            .failed(code: 5, message: "unknown service"),
            .failure("error: health rpc probe failed: rpc error: code = NotFound desc = unknown service")
        ),
    ])
    func answersBecomeOutcomes(health: GRPCHealth, outcome: ProbeOutcome) {
        #expect(GRPCProbe.outcome(health, timeout: .seconds(2)) == outcome)
    }
}
