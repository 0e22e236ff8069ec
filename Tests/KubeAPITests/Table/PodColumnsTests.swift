@testable import KubeAPI
import Testing

/// A pod's row, in the states that a person meets.
@Suite struct PodColumnsTests {
    static let now = Timestamp(unixSeconds: 1_704_164_645 + 300)  // 2024-01-02T03:09:05Z

    private func row(_ pod: String) throws -> (ready: String, status: String, restarts: String) {
        let type = try #require(Scheme.builtin.resource(group: "", version: "v1", kind: "Pod"))
        let cells = TablePrinter.row(type, try JSON.parse(pod), include: .none, now: Self.now)["cells"]
        return (cells[1].stringValue, cells[2].stringValue, cells[3].stringValue)
    }

    private func pod(
        spec: String = #"{"containers":[{"name":"a"}]}"#, status: String, metadata: String = #"{"name":"p"}"#
    ) -> String {
        "{\"metadata\":\(metadata),\"spec\":\(spec),\"status\":\(status)}"
    }

    @Test(arguments: [
        (#"{"phase":"Pending"}"#, "0/1", "Pending"),
        (
            #"{"phase":"Pending","containerStatuses":[{"name":"a","state":{"waiting":{"reason":"ContainerCreating"}}}]}"#,
            "0/1", "ContainerCreating"
        ),
        (
            #"{"phase":"Running","containerStatuses":[{"name":"a","ready":true,"state":{"running":{}}}]}"#, "1/1",
            "Running"
        ),
        (
            #"{"phase":"Running","containerStatuses":[{"name":"a","ready":false,"state":{"running":{}}}]}"#, "0/1",
            "Running"
        ),
        (
            #"{"phase":"Running","containerStatuses":[{"name":"a","restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}"#,
            "0/1", "CrashLoopBackOff"
        ),
        (
            #"{"phase":"Pending","containerStatuses":[{"name":"a","state":{"waiting":{"reason":"ErrImageNeverPull"}}}]}"#,
            "0/1", "ErrImageNeverPull"
        ),
        (
            #"{"phase":"Succeeded","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0,"reason":"Completed"}}}]}"#,
            "0/1", "Completed"
        ),
        (
            #"{"phase":"Failed","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":1,"reason":"Error"}}}]}"#,
            "0/1", "Error"
        ),
        (
            #"{"phase":"Failed","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":3}}}]}"#, "0/1",
            "ExitCode:3"
        ),
        (
            #"{"phase":"Failed","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":137,"signal":9}}}]}"#,
            "0/1", "Signal:9"
        ),
        (
            #"{"phase":"Running","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}"#,
            "0/1", "OOMKilled"
        ),
        (#"{"phase":"Failed","reason":"Evicted"}"#, "0/1", "Evicted"),
        (#"{"phase":"Unknown"}"#, "0/1", "Unknown"),
        (
            #"{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]}"#,
            "0/1", "SchedulingGated"
        ),
    ])
    func showsWhatHappens(status: String, ready: String, reason: String) throws {
        let row = try row(pod(status: status))
        #expect(row.ready == ready)
        #expect(row.status == reason)
    }

    @Test(arguments: [
        (#"[{"name":"i","state":{"waiting":{"reason":"PodInitializing"}}}]"#, "Init:0/2"),
        (#"[{"name":"i","state":{"running":{}}}]"#, "Init:0/2"),
        (#"[{"name":"i","state":{"terminated":{"exitCode":0}}},{"name":"j","state":{"running":{}}}]"#, "Init:1/2"),
        (#"[{"name":"i","state":{"waiting":{"reason":"ImagePullBackOff"}}}]"#, "Init:ImagePullBackOff"),
        (#"[{"name":"i","state":{"terminated":{"exitCode":1,"reason":"Error"}}}]"#, "Init:Error"),
        (#"[{"name":"i","state":{"terminated":{"exitCode":7}}}]"#, "Init:ExitCode:7"),
        (#"[{"name":"i","state":{"terminated":{"exitCode":137,"signal":9}}}]"#, "Init:Signal:9"),
        (
            #"[{"name":"i","state":{"terminated":{"exitCode":0}}},{"name":"j","state":{"terminated":{"exitCode":0}}}]"#,
            "PodInitializing"
        ),
    ])
    func showsInitContainers(statuses: String, reason: String) throws {
        let row = try row(
            pod(
                spec: #"{"initContainers":[{"name":"i"},{"name":"j"}],"containers":[{"name":"a"}]}"#,
                status:
                    #"{"phase":"Pending","initContainerStatuses":\#(statuses),"containerStatuses":[{"name":"a","state":{"waiting":{"reason":"PodInitializing"}}}]}"#
            ))
        #expect(row.status == reason)
    }

    @Test func sidecarsCountAsContainers() throws {
        let row = try row(
            pod(
                spec: #"{"initContainers":[{"name":"s","restartPolicy":"Always"}],"containers":[{"name":"a"}]}"#,
                status:
                    #"{"phase":"Running","initContainerStatuses":[{"name":"s","started":true,"ready":true,"restartCount":2,"state":{"running":{}}}],"containerStatuses":[{"name":"a","ready":true,"state":{"running":{}}}]}"#
            ))
        #expect(row == ("2/2", "Running", "2"))
    }

    @Test func oneThatRunsOnOutweighsThoseThatEnded() throws {
        func status(_ ready: String) -> String {
            #"{"phase":"Running","conditions":[{"type":"Ready","status":"\#(ready)"}],"containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0,"reason":"Completed"}}},{"name":"b","ready":true,"state":{"running":{}}}]}"#
        }
        let spec = #"{"containers":[{"name":"a"},{"name":"b"}]}"#
        #expect(try row(pod(spec: spec, status: status("True"))).status == "Running")
        #expect(try row(pod(spec: spec, status: status("False"))).status == "NotReady")
    }

    @Test func deletionShowsUntilThePodHasEnded() throws {
        let deleted = #"{"name":"p","deletionTimestamp":"2024-01-02T03:04:05Z"}"#
        #expect(try row(pod(status: #"{"phase":"Running"}"#, metadata: deleted)).status == "Terminating")
        #expect(try row(pod(status: #"{"phase":"Pending"}"#, metadata: deleted)).status == "Terminating")
        #expect(try row(pod(status: #"{"phase":"Succeeded"}"#, metadata: deleted)).status == "Succeeded")
        #expect(
            try row(pod(status: #"{"phase":"Running","reason":"NodeLost"}"#, metadata: deleted)).status == "Unknown")
    }

    @Test func tellsWhenAContainerWasRestarted() throws {
        func status(_ container: String) -> String { #"{"phase":"Running","containerStatuses":[\#(container)]}"# }
        #expect(try row(pod(status: status(#"{"name":"a","restartCount":0}"#))).restarts == "0")
        #expect(try row(pod(status: status(#"{"name":"a","restartCount":3}"#))).restarts == "3")
        #expect(
            try row(
                pod(
                    status: status(
                        #"{"name":"a","restartCount":2,"lastState":{"terminated":{"finishedAt":"2024-01-02T03:04:05Z"}}},{"name":"b","restartCount":1,"lastState":{"terminated":{"finishedAt":"2024-01-02T03:00:00Z"}}}"#
                    ))
            ).restarts == "3 (5m ago)")
    }

    @Test func restartsOfInitContainersAreForgotten() throws {
        let row = try row(
            pod(
                spec: #"{"initContainers":[{"name":"i"}],"containers":[{"name":"a"}]}"#,
                status:
                    #"{"phase":"Running","initContainerStatuses":[{"name":"i","restartCount":5,"state":{"terminated":{"exitCode":0}}}],"containerStatuses":[{"name":"a","ready":true,"restartCount":1,"state":{"running":{}}}]}"#
            ))
        #expect(row.restarts == "1")
    }

    @Test func showsPlaceAndGates() throws {
        let type = try #require(Scheme.builtin.resource(group: "", version: "v1", kind: "Pod"))
        let bare = TablePrinter.row(type, ["metadata": ["name": "p"]], include: .none, now: Self.now)["cells"]
        #expect(bare == ["p", "0/0", "", "0", "<unknown>", "<none>", "<none>", "<none>", "<none>"])
        let placed = try JSON.parse(
            #"{"metadata":{"name":"p","creationTimestamp":"2024-01-02T03:04:05Z"},"spec":{"nodeName":"n1","containers":[],"readinessGates":[{"conditionType":"x"},{"conditionType":"y"}]},"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}],"nominatedNodeName":"n2","conditions":[{"type":"x","status":"True"}]}}"#
        )
        #expect(
            TablePrinter.row(type, placed, include: .none, now: Self.now)["cells"]
                == ["p", "0/0", "Running", "0", "5m", "10.0.0.1", "n1", "n2", "1/2"])
    }

    @Test func marksPodsThatHaveEnded() throws {
        let type = try #require(Scheme.builtin.resource(group: "", version: "v1", kind: "Pod"))
        func conditions(_ phase: String) -> JSON {
            TablePrinter.row(type, ["status": ["phase": .string(phase)]], include: .none)["conditions"]
        }
        #expect(
            conditions("Succeeded") == [
                [
                    "type": "Completed", "status": "True", "reason": "Succeeded",
                    "message": "The pod has completed successfully.",
                ]
            ])
        #expect(conditions("Failed")[0]["message"] == "The pod failed.")
        #expect(conditions("Running").isNull)
    }
}
