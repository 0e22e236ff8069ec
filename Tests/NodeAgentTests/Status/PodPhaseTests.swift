import KubeAPI
import Testing

@testable import NodeAgent

/// The phase by the states of two containers, as Kubernetes' own table has it (`TestPodPhaseWithRestart…`).
@Suite struct PodPhaseTests {
    private static func status(_ kind: String) -> JSON {
        switch kind {
        case "running": ["state": ["running": [:]]]
        case "done": ["state": ["terminated": ["exitCode": 0]]]
        case "failed": ["state": ["terminated": ["exitCode": 1]]]
        case "backoff":
            ["state": ["waiting": ["reason": "CrashLoopBackOff"]], "lastState": ["terminated": ["exitCode": 1]]]
        default: ["state": ["waiting": ["reason": "ContainerCreating"]]]
        }
    }

    @Test(arguments: [
        ("Always", "waiting", "waiting", "Pending"), ("Always", "running", "waiting", "Pending"),
        ("Always", "running", "running", "Running"), ("Always", "done", "failed", "Running"),
        ("Always", "running", "backoff", "Running"), ("Always", "backoff", "backoff", "Running"),
        ("OnFailure", "done", "done", "Succeeded"), ("OnFailure", "done", "failed", "Running"),
        ("OnFailure", "running", "failed", "Running"), ("Never", "done", "done", "Succeeded"),
        ("Never", "done", "failed", "Failed"), ("Never", "running", "failed", "Running"),
        ("Never", "failed", "waiting", "Pending"),
    ])
    func ofTwoContainers(policy: String, first: String, second: String, phase: String) throws {
        let pod = try Sample.pod(
            "{restartPolicy: \(policy), containers: [{name: a, image: demo}, {name: b, image: demo}]}")
        let statuses = ["a": ContainerStatus(Self.status(first)), "b": ContainerStatus(Self.status(second))]
        #expect(PodPhase.of(pod, statuses: statuses, hasEnded: false) == phase)
    }

    @Test func whileSidecarsRunThePodRuns() throws {
        let pod = try Sample.pod(
            "{restartPolicy: Never, initContainers: [{name: side, image: demo, restartPolicy: Always}], "
                + "containers: [{name: main, image: demo}]}")
        var statuses = [
            "side": ContainerStatus(Self.status("running")), "main": ContainerStatus(Self.status("done")),
        ]
        #expect(PodPhase.of(pod, statuses: statuses, hasEnded: false) == "Running")
        statuses["side"] = ContainerStatus(Self.status("done"))
        #expect(PodPhase.of(pod, statuses: statuses, hasEnded: true) == "Succeeded")
    }

    @Test(arguments: [("done", "Succeeded"), ("failed", "Failed"), ("waiting", "Failed")])
    func ofAPodThatWasEnded(kind: String, phase: String) throws {
        let statuses = ["main": ContainerStatus(Self.status(kind))]
        #expect(PodPhase.of(try Sample.plainPod(), statuses: statuses, hasEnded: true) == phase)
    }
}
