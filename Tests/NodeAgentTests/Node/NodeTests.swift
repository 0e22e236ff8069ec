import KubeAPI
import Testing

@testable import NodeAgent

/// What the API is told of the node.
@Suite struct NodeStatusTests {
    private func status(
        problem: String? = nil, pressure: NodePressure = NodePressure(), known: JSON = .null, images: [Image] = []
    ) -> JSON {
        NodeStatus(
            config: Sample.config("/node"),
            facts: NodeFacts(
                hostname: "machine", machineID: "m", systemUUID: "s", bootID: "b", kernelVersion: "6.1.0",
                osImage: "Debian",
                architecture: "amd64", processors: 2, memoryBytes: 4 << 30),
            capacity: ["cpu": Quantity(2, format: .decimalSI), "memory": Quantity(4 << 30, format: .binarySI)],
            problem: problem, pressure: pressure, images: images, known: known, now: Sample.now
        ).json()
    }
    private func condition(_ status: JSON, _ type: String) -> JSON {
        status["conditions"].items.first { $0["type"].string == type } ?? .null
    }

    @Test func aReadyNode() {
        let status = status()
        #expect(status["capacity"] == ["cpu": "2", "memory": "4Gi"])
        #expect(
            status["addresses"] == [
                ["type": "InternalIP", "address": "192.0.2.2"], ["type": "Hostname", "address": "node1"],
            ])
        #expect(status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10250)
        #expect(status["nodeInfo"]["containerRuntimeVersion"].stringValue.hasPrefix("swiftlet://v"))
        #expect(status["nodeInfo"]["kubeletVersion"].string == KubernetesVersion.gitVersion)
        #expect(condition(status, "Ready")["status"] == "True")
        #expect(condition(status, "Ready")["reason"] == "KubeletReady")
        for type in ["MemoryPressure", "DiskPressure", "PIDPressure"] {
            #expect(condition(status, type)["status"] == "False")
        }
    }

    @Test func aNodeThatIsNotReadySaysWhy() {
        let ready = condition(status(problem: "no range"), "Ready")
        #expect(ready["status"] == "False" && ready["reason"] == "KubeletNotReady" && ready["message"] == "no range")
    }

    @Test func transitionsKeepTheirTime() {
        let known: JSON = [
            "conditions": [
                ["type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"],
                ["type": "DiskPressure", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"],
            ]
        ]
        let status = status(known: known)
        #expect(condition(status, "Ready")["lastTransitionTime"] == "2020-01-01T00:00:00Z")
        #expect(condition(status, "DiskPressure")["lastTransitionTime"] == "2026-03-04T05:06:07Z")
    }

    @Test func aHeartbeatAloneIsSentOnlyWhenItIsDue() {
        var known = status()
        for index in known["conditions"].items.indices {
            known["conditions"][index]["lastHeartbeatTime"] = "2020-01-01T00:00:00Z"
        }
        #expect(NodeStatus.patch(from: known, to: status(known: known), isHeartbeatDue: false).isNull)
        #expect(
            NodeStatus.patch(from: known, to: status(known: known), isHeartbeatDue: true)["conditions"].items.count == 4
        )
        let patch = NodeStatus.patch(from: known, to: status(problem: "x", known: known), isHeartbeatDue: false)
        #expect(patch["conditions"].items.map { $0["type"].stringValue } == ["Ready"])
    }

    @Test func conditionsOfOthersAreLeftAlone() {
        var known = status()
        known["conditions"].append(["type": "NetworkUnavailable", "status": "False"])
        #expect(NodeStatus.patch(from: known, to: status(known: known), isHeartbeatDue: false).isNull)
    }

    @Test func theLargestImagesAreListed() {
        let images = (0..<60).map { number in
            Image(
                id: "sha256:\(number)", names: ["demo:\(number)"], repoDigests: [], sizeBytes: Int64(number),
                importedAt: "",
                config: JSONImage.empty, layers: [])
        }
        let list = status(images: images)["images"].items
        #expect(list.count == 50)
        #expect(list.first == ["names": ["demo:59"], "sizeBytes": 59])
    }

    @Test func pressureBeginsWhereKubernetesEvicts() {
        func pressure(memory: Int64 = 1 << 30, available: Int64 = 50, inodes: Int64 = 50, processes: Int64 = 10)
            -> NodePressure
        {
            NodePressure(
                availableMemory: memory,
                disk: DiskSpace(totalBytes: 100, availableBytes: available, totalInodes: 100, freeInodes: inodes),
                processes: processes, processLimit: 1000)
        }
        #expect(pressure() == NodePressure())
        #expect(pressure(memory: 99 << 20).isMemoryShort)
        #expect(pressure(available: 9).isDiskShort && pressure(inodes: 4).isDiskShort)
        #expect(pressure(processes: 901).isPIDShort)
        #expect(NodePressure(availableMemory: nil, disk: nil, processes: nil, processLimit: nil) == NodePressure())
    }

    @Test func theSystemsNameIsReadFromOSRelease() {
        #expect(
            NodeFacts.osImage("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n")
                == "Debian GNU/Linux 12 (bookworm)")
        #expect(NodeFacts.osImage("PRETTY_NAME=Plain") == "Plain")
        #expect(NodeFacts.osImage("") == "Linux")
    }

    @Test func theMachineIsRead() {
        let facts = NodeFacts.read()
        #expect(facts.processors >= 1 && facts.memoryBytes > 0 && !facts.kernelVersion.isEmpty && !facts.bootID.isEmpty)
    }

    @Test func aLeaseNamesItsHolder() throws {
        let node = NodeView(name: "node1", hostIPs: [], hostname: "", capacity: [:])
        node.change { $0.node = ["metadata": ["name": "node1", "uid": "u"]] }
        let lease = NodeLease(client: FakeAPI(), node: node, log: LogCollector().logger).filled(.null, now: Sample.now)
        #expect(
            lease["spec"] == [
                "holderIdentity": "node1", "leaseDurationSeconds": 40, "renewTime": "2026-03-04T05:06:07.000000Z",
            ])
        #expect(lease["metadata"]["ownerReferences"][0]["uid"] == "u")
    }
}
