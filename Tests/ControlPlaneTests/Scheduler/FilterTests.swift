import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct FilterTests {
    /// Why one node does not take the pod; checks that the quick question agrees.
    private func reasons(_ pod: JSON, _ node: JSON, running: [JSON] = []) -> [String] {
        var table = Sample.table([node])
        for other in running { table.add(Sample.demand(other), to: node.name) }
        let demand = Sample.demand(pod)
        let (reasons, others) = Filters.reasons(demand, table.rooms[0], table.details[0])
        let texts = Filters.Reasons.texts.enumerated().filter { reasons.rawValue & (1 << UInt16($0.offset)) != 0 }
            .map(\.element)
        let all = texts + others.map { "Insufficient \($0)" }
        let isWanted = demand.constraints?.match(table.details[0]) ?? true
        #expect((isWanted && Filters.fits(demand, table.rooms[0], table.details[0])) == all.isEmpty)
        return all
    }

    @Test func aPodFitsWhereThereIsRoom() {
        #expect(reasons(Sample.pod("a", cpu: "4", memory: "8Gi"), Sample.node("n")).isEmpty)
        #expect(reasons(Sample.pod("a", cpu: "4001m"), Sample.node("n")) == ["Insufficient cpu"])
        #expect(
            reasons(Sample.pod("a", cpu: "5", memory: "9Gi"), Sample.node("n"))
                == ["Insufficient cpu", "Insufficient memory"])
    }

    @Test func whatRunsTakesItsRoom() {
        let running = Sample.pod("r", cpu: "3", memory: "1Gi")
        #expect(reasons(Sample.pod("a", cpu: "1"), Sample.node("n"), running: [running]).isEmpty)
        #expect(reasons(Sample.pod("a", cpu: "1001m"), Sample.node("n"), running: [running]) == ["Insufficient cpu"])
        #expect(
            reasons(Sample.pod("a"), Sample.node("n", pods: 1), running: [running]) == ["Too many pods"])
    }

    @Test func anOvercommittedNodeTakesWhoAsksForNothing() {
        let running = Sample.pod("r", cpu: "9")
        #expect(reasons(Sample.pod("a"), Sample.node("n"), running: [running]).isEmpty)
    }

    @Test func extendedResourcesAreCounted() {
        let pod = { (name: String, count: String) in
            Sample.pod(
                name,
                spec: [
                    "containers": [
                        ["name": "c", "image": "i", "resources": ["requests": ["example.com/gpu": .string(count)]]]
                    ]
                ])
        }
        let node = Sample.node("n", others: ["example.com/gpu": "2"])
        #expect(reasons(pod("a", "2"), node).isEmpty)
        #expect(reasons(pod("a", "1"), node, running: [pod("r", "2")]) == ["Insufficient example.com/gpu"])
        #expect(reasons(pod("a", "1"), Sample.node("n")) == ["Insufficient example.com/gpu"])
    }

    @Test func taintsKeepPodsAwayThatDoNotBearThem() {
        let node = Sample.node("n", taints: [Sample.taint("k", "v")])
        let untolerated = ["node(s) had untolerated taint(s)"]
        let bearing = { (toleration: JSON) in Sample.pod("a", spec: ["tolerations": [toleration]]) }
        #expect(reasons(Sample.pod("a"), node) == untolerated)
        #expect(reasons(bearing(["key": "k", "value": "v"]), node).isEmpty)
        #expect(reasons(bearing(["key": "k", "operator": "Exists"]), node).isEmpty)
        #expect(reasons(bearing(["operator": "Exists"]), node).isEmpty)
        #expect(reasons(bearing(["key": "k", "value": "w"]), node) == untolerated)
        #expect(reasons(bearing(["key": "k", "value": "v", "effect": "NoExecute"]), node) == untolerated)
        #expect(
            reasons(Sample.pod("a"), Sample.node("n", taints: [Sample.taint("k", effect: "PreferNoSchedule")])).isEmpty)
    }

    @Test func cordonedNodesTakeNothing() {
        #expect(reasons(Sample.pod("a"), Sample.node("n", unschedulable: true)) == ["node(s) were unschedulable"])
        let daemon = Sample.pod(
            "a", spec: ["tolerations": [["key": "node.kubernetes.io/unschedulable", "operator": "Exists"]]])
        #expect(reasons(daemon, Sample.node("n", unschedulable: true)).isEmpty)
    }

    @Test func selectorsAndAffinityMustMatch() {
        let node = Sample.node("n", labels: ["zone": "a", "cores": "8"])
        let mismatch = ["node(s) didn't match Pod's node affinity/selector"]
        let wanting = { (terms: JSON) in
            Sample.pod(
                "a",
                spec: [
                    "affinity": [
                        "nodeAffinity": ["requiredDuringSchedulingIgnoredDuringExecution": ["nodeSelectorTerms": terms]]
                    ]
                ])
        }
        #expect(reasons(Sample.pod("a", spec: ["nodeSelector": ["zone": "a"]]), node).isEmpty)
        #expect(reasons(Sample.pod("a", spec: ["nodeSelector": ["zone": "b"]]), node) == mismatch)
        #expect(
            reasons(wanting([["matchExpressions": [["key": "zone", "operator": "In", "values": ["a", "b"]]]]]), node)
                .isEmpty)
        #expect(
            reasons(wanting([["matchExpressions": [["key": "cores", "operator": "Gt", "values": ["8"]]]]]), node)
                == mismatch)
        #expect(
            reasons(wanting([["matchFields": [["key": "metadata.name", "operator": "In", "values": ["n"]]]]]), node)
                .isEmpty)
        // One term is enough; an empty one matches nothing.
        #expect(reasons(wanting([[:], ["matchExpressions": [["key": "zone", "operator": "Exists"]]]]), node).isEmpty)
        #expect(reasons(wanting([[:]]), node) == mismatch)
        #expect(reasons(wanting([["matchExpressions": [["key": "zone", "operator": "Weird"]]]]), node) == mismatch)
    }

    @Test func hostPortsAreTakenOnce() {
        let pod = { (name: String, port: JSON) in
            Sample.pod(name, spec: ["containers": [["name": "c", "image": "i", "ports": [port]]]])
        }
        let running = pod("r", ["containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.1"])
        let clash = ["node(s) didn't have free ports for the requested pod ports"]
        let node = Sample.node("n")
        #expect(reasons(pod("a", ["containerPort": 80, "hostPort": 8080]), node, running: [running]) == clash)
        #expect(
            reasons(pod("a", ["containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.2"]), node, running: [running])
                .isEmpty)
        #expect(
            reasons(pod("a", ["containerPort": 80, "hostPort": 8080, "protocol": "UDP"]), node, running: [running])
                .isEmpty)
    }
}

@Suite struct NodeTableTests {
    @Test func aNodeKeepsItsPodsThroughUpdates() {
        var table = Sample.table([Sample.node("n")])
        table.add(Sample.demand(Sample.pod("a", cpu: "1")), to: "n")
        let helps = table.update(Node(Sample.node("n", cpu: "8")))
        #expect(helps)
        #expect(table.rooms[0].usedMilliCPU == 1000 && table.rooms[0].milliCPU == 8000)
    }

    @Test func aHeartbeatHelpsNobody() {
        var table = Sample.table([Sample.node("n", labels: ["a": "b"])])
        var node = Sample.node("n", labels: ["a": "b"])
        node["status"]["conditions"][0]["lastHeartbeatTime"] = "2024-01-01T00:00:00Z"
        let helps = table.update(Node(node))
        #expect(!helps)
        for change in [
            Sample.node("n", labels: ["a": "c"]), Sample.node("n", labels: ["a": "c"], taints: [Sample.taint("k")]),
            Sample.node("n", pods: 1),
        ] {
            let helps = table.update(Node(change))
            #expect(helps)
        }
    }

    @Test func podsMayBeKnownBeforeTheirNode() {
        var table = NodeTable()
        table.add(Sample.demand(Sample.pod("a", cpu: "1")), to: "n")
        table.add(Sample.demand(Sample.pod("b", cpu: "1")), to: "n")
        table.remove(Sample.demand(Sample.pod("b", cpu: "1")), from: "n")
        _ = table.update(Node(Sample.node("n")))
        #expect(table.rooms[0].usedMilliCPU == 1000 && table.rooms[0].pods == 1)
    }

    @Test func aNodeThatGoesLeavesTheOthersInOrder() {
        var table = Sample.table(["a", "b", "c"].map { Sample.node($0) })
        table.add(Sample.demand(Sample.pod("x", cpu: "1")), to: "c")
        table.remove("a")
        #expect(table.count == 2 && table.position("a") == nil)
        for name in ["b", "c"] { #expect(table.position(name).map { table.details[$0].name } == name) }
        #expect(table.position("c").map { table.rooms[$0].usedMilliCPU } == 1000)
    }

    @Test func aPodIsCountedOnce() {
        var table = Sample.table([Sample.node("n")])
        for cpu in ["1", "2"] { table.add(Sample.demand(Sample.pod("a", cpu: cpu)), to: "n") }
        #expect(table.rooms[0].usedMilliCPU == 2000 && table.rooms[0].pods == 1)
        table.remove(Sample.demand(Sample.pod("a", cpu: "2")), from: "n")
        table.remove(Sample.demand(Sample.pod("a", cpu: "2")), from: "n")
        #expect(table.rooms[0].usedMilliCPU == 0 && table.rooms[0].pods == 0)
    }
}
