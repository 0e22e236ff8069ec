import KubeAPI
import Testing

@testable import ControlPlane

/// How many pods of which set, out of numbers alone.
@Suite struct RolloutTests {
    private func deployment(
        _ replicas: Int, surge: JSON = "25%", unavailable: JSON = "25%", type: String = "RollingUpdate"
    ) -> Deployment {
        Deployment([
            "metadata": ["name": "web"],
            "spec": [
                "replicas": .int(Int64(replicas)),
                "strategy": [
                    "type": .string(type), "rollingUpdate": ["maxSurge": surge, "maxUnavailable": unavailable],
                ], "template": ["spec": ["image": "new"]],
            ],
        ])
    }

    private func set(
        _ name: String, _ replicas: Int, available: Int? = nil, image: String = "old", desired: Int? = nil,
        max: Int? = nil
    ) -> ReplicaSet {
        var set: JSON = [
            "metadata": ["name": .string(name), "uid": .string(name), "creationTimestamp": "2024-01-01T00:00:00Z"],
            "spec": ["replicas": .int(Int64(replicas)), "template": ["spec": ["image": .string(image)]]],
            "status": ["replicas": .int(Int64(replicas)), "availableReplicas": .int(Int64(available ?? replicas))],
        ]
        if let desired { set["metadata"]["annotations"][DeploymentAnnotations.desired] = .string(String(desired)) }
        if let max { set["metadata"]["annotations"][DeploymentAnnotations.max] = .string(String(max)) }
        return ReplicaSet(set)
    }

    private func plan(_ plan: [(set: ReplicaSet, replicas: Int)]) -> [String: Int] {
        Dictionary(uniqueKeysWithValues: plan.map { ($0.set.name, $0.replicas) })
    }

    @Test(arguments: [
        (10, "25%", "25%", 3, 2), (10, "0%", "0%", 0, 1), (1, "25%", "25%", 1, 0), (3, "100%", "100%", 3, 3),
        (4, "1%", "0%", 1, 0), (0, "50%", "50%", 0, 0),
    ])
    func percentages(replicas: Int, surge: String, unavailable: String, maxSurge: Int, maxUnavailable: Int) {
        let deployment = deployment(replicas, surge: .string(surge), unavailable: .string(unavailable))
        #expect(deployment.maxSurge == maxSurge && deployment.maxUnavailable == maxUnavailable)
    }

    @Test func numbersAreBounded() {
        #expect(deployment(2, surge: 1, unavailable: 5).maxUnavailable == 2)
        #expect(deployment(2, surge: 7, unavailable: 0).maxSurge == 7)
        #expect(deployment(2, type: "Recreate").maxSurge == 0)
    }

    @Test func theNewSetTakesTheRoomThatThereIs() {
        #expect(Rollout(deployment(10), [set("a", 10)]).newReplicas == 3)
        #expect(Rollout(deployment(10), [set("a", 10), set("b", 3, image: "new")]).newReplicas == 3)
        #expect(Rollout(deployment(10), [set("a", 5), set("b", 3, image: "new")]).newReplicas == 8)
        #expect(Rollout(deployment(10), [set("b", 3, image: "new")]).newReplicas == 10)
        #expect(Rollout(deployment(10, type: "Recreate"), [set("a", 10)]).newReplicas == 10)
    }

    @Test func oldPodsGoAsFarAsEnoughServe() {
        // 8 must be available: of 10 old and 3 new ones that are not, 2 may go.
        let early = Rollout(deployment(10), [set("a", 10), set("b", 3, available: 0, image: "new")])
        #expect(early.removableOldReplicas == 2)
        #expect(plan(early.oldScaleDown()) == ["a": 8])
        let later = Rollout(deployment(10), [set("a", 8), set("b", 5, available: 3, image: "new")])
        #expect(plan(later.oldScaleDown()) == ["a": 5])
        // What serves nobody goes first, from the oldest set on.
        let ill = Rollout(deployment(10), [set("a", 5, available: 2), set("c", 5), set("b", 0, image: "new")])
        #expect(plan(ill.unhealthyCleanup(2)) == ["a": 3])
        #expect(plan(ill.unhealthyCleanup(9)) == ["a": 2])
    }

    @Test func oneSetTakesAChangeOfTheNumberAlone() {
        let rollout = Rollout(deployment(5), [set("a", 0), set("b", 3, image: "new", desired: 3)])
        #expect(rollout.isScaled)
        #expect(plan(rollout.scalePlan()) == ["b": 5])
        #expect(!Rollout(deployment(3), [set("b", 3, image: "new", desired: 3)]).isScaled)
    }

    @Test func aFinishedRolloutLeavesNoneToTheOldSets() {
        let rollout = Rollout(deployment(3), [set("a", 1), set("b", 3, image: "new", desired: 3)])
        #expect(plan(rollout.scalePlan()) == ["a": 0])
    }

    /// The example of the Kubernetes documentation: 10 with surge 3 and 2 unavailable, scaled to 15 in the middle of a
    /// rollout.
    @Test func inTheMiddleEachTakesItsShare() {
        let rollout = Rollout(
            deployment(15, surge: 3, unavailable: 2),
            [
                set("a", 8, desired: 10, max: 13), set("b", 5, available: 0, image: "new", desired: 10, max: 13),
            ])
        #expect(plan(rollout.scalePlan()) == ["a": 11, "b": 7])
        let down = Rollout(
            deployment(5, surge: 3, unavailable: 2),
            [set("a", 8, desired: 10, max: 13), set("b", 5, available: 0, image: "new", desired: 10, max: 13)])
        #expect(plan(down.scalePlan()) == ["a": 5, "b": 3])
        let gone = Rollout(
            deployment(0, surge: 3, unavailable: 2),
            [set("a", 8, desired: 10, max: 13), set("b", 5, available: 0, image: "new", desired: 10, max: 13)])
        #expect(plan(gone.scalePlan()) == ["a": 0, "b": 0])
    }

    @Test func theHashKnowsTemplatesApart() {
        let one: JSON = ["spec": ["a": 1, "b": "x"]]
        let swapped: JSON = ["spec": ["b": "x", "a": 1]]
        #expect(TemplateHash.make(one, collisions: nil) == TemplateHash.make(swapped, collisions: nil))
        #expect(TemplateHash.make(one, collisions: nil) != TemplateHash.make(one, collisions: 1))
        #expect(TemplateHash.make(one, collisions: 1) != TemplateHash.make(one, collisions: 2))
        #expect(TemplateHash.make(one, collisions: nil) != TemplateHash.make(["spec": ["a": 1]], collisions: nil))
        #expect(TemplateHash.make(one, collisions: nil).allSatisfy { NameGenerator.alphabet.contains($0) })
    }
}
