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

    @Test func whatFitsIsTaken() throws {
        let others = [try demand("resources: {requests: {cpu: 1}}")]
        #expect(admission.check(try pod("resources: {requests: {cpu: 1, memory: 1Gi}}"), others: others) == nil)
    }

    @Test func processorsThatAreNotThere() throws {
        let others = [try demand("resources: {requests: {cpu: 1500m}}")]
        let rejection = admission.check(try pod("resources: {requests: {cpu: 600m}}"), others: others)
        #expect(rejection?.reason == "OutOfcpu")
        #expect(
            rejection?.message == "Node didn't have enough resource: cpu, requested: 600, used: 1500, capacity: 2000")
    }

    @Test func resourcesThatTheNodeDoesNotHave() throws {
        let rejection = admission.check(try pod("resources: {limits: {example.com/gpu: 1}}"), others: [])
        #expect(rejection?.reason == "OutOfexample.com/gpu")
    }

    @Test func oneMorePodThanTheNodeTakes() throws {
        let other = try demand("ports: []")
        #expect(admission.check(try pod("ports: []"), others: [other, other]) == nil)
        let rejection = admission.check(try pod("ports: []"), others: [other, other, other])
        #expect(rejection?.reason == "OutOfpods")
        #expect(rejection?.message == "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3")
    }

    @Test(arguments: [
        ("", "", true), ("127.0.0.1", "127.0.0.1", true), ("127.0.0.1", "", true), ("127.0.0.1", "127.0.0.2", false),
    ])
    func hostPorts(first: String, second: String, clashes: Bool) throws {
        let port = { (ip: String) in "ports: [{containerPort: 80, hostPort: 8080, hostIP: \"\(ip)\"}]" }
        let rejection = admission.check(try pod(port(second)), others: [try demand(port(first))])
        #expect(rejection?.reason == (clashes ? "NodePorts" : nil))
    }

    @Test func aSelectorThatTheNodeDoesNotMatch() throws {
        #expect(admission.check(try pod("ports: []", "nodeSelector: {disk: ssd}"), others: []) == nil)
        #expect(
            admission.check(try pod("ports: []", "nodeSelector: {disk: hdd}"), others: [])?.reason == "NodeAffinity")
    }

    @Test func kernelSettingsThatReachBeyondThePod() throws {
        let safe = try pod("ports: []", "securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: '1'}]}")
        #expect(admission.check(safe, others: []) == nil)
        let unsafe = try pod("ports: []", "securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}")
        #expect(admission.check(unsafe, others: [])?.message == "forbidden sysctl: \"kernel.msgmax\" not allowlisted")
    }
}
