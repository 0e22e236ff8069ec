import KubeAPI
import Testing

@testable import NodeAgent

/// Pods that were bound to the node and don't fit.
@Suite struct NodeAdmissionTests {
    private let admission = NodeAdmission(
        allocatable: ["cpu": Quantity(milliValue: 2000), "memory": Quantity(1 << 30)], maxPods: 3,
        labels: ["disk": "ssd"])

    private func pod(_ container: String, _ more: String = "") throws -> Pod {
        try Sample.pod("{containers: [{name: main, image: demo, \(container)}]\(more.isEmpty ? "" : ", " + more)}")
    }
    private func demand(_ container: String) throws -> PodDemand { PodDemand(try pod(container)) }
    private func shares(_ demands: [PodDemand]) -> NodeShares {
        var shares = NodeShares()
        for (number, demand) in demands.enumerated() { shares.take("pod-\(number)", demand) }
        return shares
    }

    @Test func whatAPodHeldIsGivenBackOnce() throws {
        let port = try demand("resources: {requests: {cpu: 1500m}}, ports: [{containerPort: 80, hostPort: 8080}]")
        var others = shares([port])
        others.take("pod-0", port)
        others.take("other", try demand("resources: {requests: {cpu: 100m}}"))
        #expect(others.count == 2)
        #expect(others.used("cpu") == Quantity(milliValue: 1600))
        let wanted = try pod("resources: {requests: {cpu: 500m}}, ports: [{containerPort: 80, hostPort: 8080}]")
        #expect(admission.check(wanted, others: others)?.reason == "OutOfcpu")
        for _ in 0..<2 { others.release("pod-0") }
        #expect(others.count == 1)
        #expect(others.used("cpu") == Quantity(milliValue: 100))
        #expect(admission.check(wanted, others: others) == nil)
    }

    @Test func whatFitsIsTaken() throws {
        let others = shares([try demand("resources: {requests: {cpu: 1}}")])
        #expect(admission.check(try pod("resources: {requests: {cpu: 1, memory: 1Gi}}"), others: others) == nil)
    }

    @Test func processorsThatAreNotThere() throws {
        let others = shares([try demand("resources: {requests: {cpu: 1500m}}")])
        let rejection = admission.check(try pod("resources: {requests: {cpu: 600m}}"), others: others)
        #expect(rejection?.reason == "OutOfcpu")
        #expect(
            rejection?.message == "Node didn't have enough resource: cpu, requested: 600, used: 1500, capacity: 2000")
    }

    @Test func resourcesThatTheNodeDoesNotHave() throws {
        let rejection = admission.check(try pod("resources: {limits: {example.com/gpu: 1}}"), others: NodeShares())
        #expect(rejection?.reason == "OutOfexample.com/gpu")
    }

    @Test func oneMorePodThanTheNodeTakes() throws {
        let other = try demand("ports: []")
        #expect(admission.check(try pod("ports: []"), others: shares([other, other])) == nil)
        let rejection = admission.check(try pod("ports: []"), others: shares([other, other, other]))
        #expect(rejection?.reason == "OutOfpods")
        #expect(rejection?.message == "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3")
    }

    @Test(arguments: [
        ("", "", true), ("127.0.0.1", "127.0.0.1", true), ("127.0.0.1", "", true), ("127.0.0.1", "127.0.0.2", false),
    ])
    func hostPorts(first: String, second: String, clashes: Bool) throws {
        let port = { (ip: String) in "ports: [{containerPort: 80, hostPort: 8080, hostIP: \"\(ip)\"}]" }
        let rejection = admission.check(try pod(port(second)), others: shares([try demand(port(first))]))
        #expect(rejection?.reason == (clashes ? "NodePorts" : nil))
    }

    @Test func aSelectorThatTheNodeDoesNotMatch() throws {
        #expect(admission.check(try pod("ports: []", "nodeSelector: {disk: ssd}"), others: NodeShares()) == nil)
        #expect(
            admission.check(try pod("ports: []", "nodeSelector: {disk: hdd}"), others: NodeShares())?.reason
                == "NodeAffinity")
    }

    @Test func kernelSettingsThatReachBeyondThePod() throws {
        let safe = try pod("ports: []", "securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}]}")
        #expect(admission.check(safe, others: NodeShares()) == nil)
        let unsafe = try pod("ports: []", "securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}")
        #expect(
            admission.check(unsafe, others: NodeShares())?.message
                == "forbidden sysctl: \"kernel.msgmax\" not allowlisted")
    }
}
