import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct NodeChoiceTests {
    private func choose(_ pod: JSON, _ table: NodeTable) -> String? {
        var choice = NodeChoice()
        return choice.choose(Sample.demand(pod), table).map { table.details[$0].name }
    }

    @Test func theEmptierNodeIsChosen() {
        var table = Sample.table([Sample.node("a"), Sample.node("b")])
        table.add(Sample.demand(Sample.pod("x", cpu: "1", memory: "1Gi")), to: "a")
        #expect(choose(Sample.pod("p", cpu: "1", memory: "1Gi"), table) == "b")
    }

    @Test func podsThatAskForNothingSpreadToo() {
        var table = Sample.table([
            Sample.node("a", cpu: "96", memory: "512Gi"), Sample.node("b", cpu: "96", memory: "512Gi"),
        ])
        var choice = NodeChoice()
        for number in 0..<10 {
            let demand = Sample.demand(Sample.pod("p\(number)"))
            guard let position = choice.choose(demand, table) else {
                Issue.record("no node fits")
                return
            }
            table.add(demand, to: table.details[position].name)
        }
        #expect(table.rooms.map(\.pods) == [5, 5])
    }

    @Test func cpuAndMemoryAreUsedEvenly() {
        var table = Sample.table([Sample.node("a"), Sample.node("b")])
        // Both are half empty, each of something else.
        table.add(Sample.demand(Sample.pod("x", cpu: "2")), to: "a")
        table.add(Sample.demand(Sample.pod("y", memory: "4Gi")), to: "b")
        #expect(choose(Sample.pod("p", cpu: "1"), table) == "b")
        #expect(choose(Sample.pod("p", memory: "2Gi"), table) == "a")
    }

    @Test func preferencesWeighMoreThanRoom() {
        var table = Sample.table([Sample.node("a", labels: ["disk": "ssd"]), Sample.node("b")])
        table.add(Sample.demand(Sample.pod("x", cpu: "2", memory: "4Gi")), to: "a")
        let pod = Sample.pod(
            "p", cpu: "100m", memory: "100Mi",
            spec: [
                "containers": [["name": "c", "image": "i"]],
                "affinity": [
                    "nodeAffinity": [
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            [
                                "weight": 1,
                                "preference": [
                                    "matchExpressions": [["key": "disk", "operator": "In", "values": ["ssd"]]]
                                ],
                            ]
                        ]
                    ]
                ],
            ])
        #expect(choose(pod, table) == "a")
    }

    @Test func labelsThatChangeCountAtOnce() {
        var table = Sample.table([Sample.node("a"), Sample.node("b", labels: ["zone": "x"])])
        var choice = NodeChoice()
        let demand = Sample.demand(Sample.pod("p", spec: ["nodeSelector": ["zone": "x"]]))
        let chosen = { (choice: inout NodeChoice, table: NodeTable) in
            choice.choose(demand, table).map { table.details[$0].name }
        }
        #expect(chosen(&choice, table) == "b")
        _ = table.update(Node(Sample.node("b")))
        #expect(chosen(&choice, table) == nil)
        _ = table.update(Node(Sample.node("a", labels: ["zone": "x"])))
        #expect(chosen(&choice, table) == "a")
        _ = table.update(Node(Sample.node("c", labels: ["zone": "x"])))
        table.remove("a")
        #expect(chosen(&choice, table) == "c")
    }

    @Test func softTaintsAreAvoided() {
        var table = Sample.table([
            Sample.node("a", taints: [Sample.taint("k", effect: "PreferNoSchedule")]), Sample.node("b"),
        ])
        table.add(Sample.demand(Sample.pod("x", cpu: "2", memory: "4Gi")), to: "b")
        #expect(choose(Sample.pod("p", cpu: "100m"), table) == "b")
        #expect(choose(Sample.pod("p", spec: ["tolerations": [["operator": "Exists"]]]), table) == "a")
    }

    @Test func equalNodesGoByName() {
        #expect(choose(Sample.pod("p"), Sample.table(["c", "a", "b"].map { Sample.node($0) })) == "a")
    }

    @Test func whatFitsNowhereIsExplainedByCounts() {
        var table = Sample.table([
            Sample.node("a", cpu: "1"), Sample.node("b", taints: [Sample.taint("k", "v")]),
            Sample.node("c", taints: [Sample.taint("other")]), Sample.node("d", cpu: "1", memory: "1Mi"),
        ])
        let demand = Sample.demand(Sample.pod("p", cpu: "2", memory: "1Gi"))
        #expect(
            NodeChoice.explain(demand, table)
                == "0/4 nodes are available: 1 Insufficient memory, 2 Insufficient cpu, 2 node(s) had untolerated taint(s)."
        )
        #expect(NodeChoice.explain(demand, NodeTable()) == "no nodes available to schedule pods")
        table = Sample.table([Sample.node("a", cpu: "1")])
        #expect(NodeChoice.explain(demand, table) == "0/1 nodes are available: 1 Insufficient cpu.")
    }

    @Test(arguments: [(1, 1), (100, 100), (200, 100), (1000, 420), (5000, 500), (10_000, 500)])
    func largeClustersAreSampled(_ nodes: Int, _ expected: Int) {
        #expect(NodeChoice.sampleSize(nodes) == expected)
    }

    @Test func everyNodeOfALargeClusterGetsItsTurn() {
        var table = Sample.table((0..<400).map { Sample.node("n\($0)", pods: 1) })
        var choice = NodeChoice()
        for number in 0..<400 {
            let demand = Sample.demand(Sample.pod("p\(number)"))
            guard let position = choice.choose(demand, table) else {
                Issue.record("pod \(number) found no node")
                return
            }
            table.add(demand, to: table.details[position].name)
        }
        #expect(table.rooms.allSatisfy { $0.pods == 1 })
        #expect(choice.choose(Sample.demand(Sample.pod("last")), table) == nil)
    }
}

@Suite struct SchedulingQueueTests {
    @Test func theMoreImportantComeFirstThenTheOlder() {
        var queue = SchedulingQueue()
        queue.add("b", priority: 0, number: 2)
        queue.add("c", priority: 5, number: 3)
        queue.add("a", priority: 0, number: 1)
        queue.add("c", priority: 5, number: 4)
        var order: [String] = []
        while let key = queue.next() { order.append(key) }
        #expect(order == ["c", "a", "b"])
        #expect(queue.isEmpty)
        queue.add("a", priority: 0, number: 5)
        #expect(queue.next() == "a")
    }
}
