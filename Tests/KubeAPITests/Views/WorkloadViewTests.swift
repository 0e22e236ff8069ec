import KubeAPI
import Testing

@Suite struct WorkloadViewTests {
    @Test(arguments: [
        (#"{"maxUnavailable":1,"maxSurge":0}"#, 10, 1, 0), (#"{"maxUnavailable":"25%","maxSurge":0}"#, 10, 3, 0),
        (#"{"maxUnavailable":0,"maxSurge":"15%"}"#, 10, 0, 2), (#"{"maxUnavailable":"0%","maxSurge":0}"#, 10, 1, 0),
        (#"{"maxUnavailable":0,"maxSurge":0}"#, 0, 0, 0),
    ])
    func boundsOfADaemonSetAreRoundedUp(rolling: String, nodes: Int, unavailable: Int, surge: Int) throws {
        let set = DaemonSet([
            "spec": ["updateStrategy": ["type": "RollingUpdate", "rollingUpdate": try JSON.parse(rolling)]]
        ])
        #expect(set.maxUnavailable(of: nodes) == unavailable && set.maxSurge(of: nodes) == surge)
    }

    @Test func onDeleteHasNoBounds() {
        let set = DaemonSet(["spec": ["updateStrategy": ["type": "OnDelete", "rollingUpdate": ["maxSurge": 5]]]])
        #expect(set.maxSurge(of: 9) == 0 && !set.isRollingUpdate)
    }

    @Test func theLargestNumberMeansNoLimit() {
        let limit = JSON.int(Int64(Int32.max))
        let endless = Deployment(["spec": ["progressDeadlineSeconds": limit, "revisionHistoryLimit": limit]])
        #expect(endless.progressDeadline == nil && endless.revisionHistoryLimit == nil)
        let bounded = Deployment(["spec": ["progressDeadlineSeconds": 600, "revisionHistoryLimit": 0]])
        #expect(bounded.progressDeadline == .seconds(600) && bounded.revisionHistoryLimit == 0)
    }

    @Test func aJobIsOverWhenAConditionSaysSo() {
        func job(_ type: String, _ status: String) -> Job {
            Job(["status": ["conditions": [["type": .string(type), "status": .string(status)]]]])
        }
        #expect(job("Complete", "True").finished?["type"] == "Complete")
        #expect(job("Failed", "True").finished?["type"] == "Failed")
        #expect(job("Failed", "False").finished == nil)
        #expect(job("FailureTarget", "True").finished == nil)
    }
}
