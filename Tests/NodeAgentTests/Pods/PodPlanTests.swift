import KubeAPI
import Testing

@testable import NodeAgent

/// What is done for a pod, by its spec and its state.
@Suite struct PodPlanTests {
    private func plan(
        _ pod: Pod, _ state: PodState, isNetworkReady: Bool = true, after: Duration = .zero,
        time: Timestamp = Sample.now
    ) -> PodPlan {
        PodPlan.make(
            PodPlan.Input(
                pod: pod, state: state, isNetworkReady: isNetworkReady, now: Sample.start + after, time: time))
    }

    // MARK: the first start

    @Test func aNewPodGetsSandboxVolumesAndImagesAtTheSameTime() throws {
        let plan = plan(try Sample.plainPod(), PodState())
        #expect(plan.actions == [.createSandbox, .prepareVolumes, .findImage("main")])
    }

    @Test func withoutAPodRangeOnlyPodsOnTheNodesNetworkGetASandbox() throws {
        #expect(!plan(try Sample.plainPod(), PodState(), isNetworkReady: false).actions.contains(.createSandbox))
        #expect(
            plan(try Sample.plainPod("hostNetwork: true"), PodState(), isNetworkReady: false).actions.contains(
                .createSandbox))
    }

    @Test func aContainerIsStartedWhenAllItNeedsIsThere() throws {
        var state = Sample.state()
        state.containers["main"] = ContainerState()
        state.containers["main"]?.image = .found(Sample.image)
        #expect(plan(try Sample.plainPod(), state).actions == [.start("main")])
        state.volumes = .preparing
        #expect(plan(try Sample.plainPod(), state).actions == [])
        state.volumes = .ready([:])
        state.sandbox = .creating
        #expect(plan(try Sample.plainPod(), state).actions == [])
    }

    @Test func anEphemeralContainerRunsOnceAndIsNobodysReason() throws {
        let pod = try Sample.pod(
            "{containers: [{name: main, image: demo}], ephemeralContainers: [{name: debug, image: demo}], "
                + "restartPolicy: Always}")
        var state = Sample.state(["main": Sample.running()])
        #expect(plan(pod, state).actions == [.findImage("debug")])
        state.containers["debug"] = ContainerState()
        state.containers["debug"]?.image = .found(Sample.image)
        #expect(plan(pod, state).actions == [.start("debug")])
        state.containers["debug"]?.current = Sample.ended(1, id: "d")
        #expect(plan(pod, state).actions == [])
        // It needs the pod's sandbox, but none is made for it.
        #expect(!plan(pod, PodState()).actions.contains(.findImage("debug")))
        state.containers["debug"]?.current = Sample.running("d")
        state.leaving = PodState.Leaving(graceSeconds: 5, since: Sample.start, isInAPI: true)
        #expect(plan(pod, state).actions.contains(.stop("debug", graceSeconds: 5, why: .podEnds)))
        #expect(pod.computedQOSClass == "BestEffort")
    }

    @Test func whatIsUnderWayIsNotBegunTwice() throws {
        var state = PodState()
        state.sandbox = .creating
        state.volumes = .preparing
        state.containers["main"] = ContainerState()
        state.containers["main"]?.image = .looking
        #expect(plan(try Sample.plainPod(), state).actions == [])
        state = Sample.state()
        state.containers["main"] = ContainerState()
        state.containers["main"]?.startingID = "a"
        #expect(plan(try Sample.plainPod(), state).actions == [])
    }

    @Test func aRunningPodIsLeftAlone() throws {
        let plan = plan(try Sample.plainPod(), Sample.state(["main": Sample.running()]))
        #expect(plan == PodPlan())
    }

    // MARK: init containers

    private func initPod(_ restartPolicy: String = "Always") throws -> Pod {
        try Sample.pod(
            "{restartPolicy: \(restartPolicy), initContainers: [{name: first, image: demo}, {name: second, image: demo}], containers: [{name: main, image: demo}]}"
        )
    }

    @Test func initContainersComeOneAfterTheOther() throws {
        let pod = try initPod()
        #expect(plan(pod, Sample.state()).actions == [.findImage("first")])
        #expect(plan(pod, Sample.state(["first": Sample.running()])).actions == [])
        #expect(plan(pod, Sample.state(["first": Sample.ended(0)])).actions == [.findImage("second")])
        #expect(
            plan(pod, Sample.state(["first": Sample.ended(0), "second": Sample.ended(0)])).actions == [
                .findImage("main")
            ])
    }

    @Test func aFailedInitContainerIsTriedAgainUnlessThePodMustNotRestart() throws {
        #expect(
            plan(try initPod("OnFailure"), Sample.state(["first": Sample.ended(1)])).actions == [.findImage("first")])
        let never = plan(try initPod("Never"), Sample.state(["first": Sample.ended(1)]))
        #expect(never.isFinal)
        #expect(never.actions == [])
    }

    @Test func initContainersOfAPodThatHasRunAreHistory() throws {
        let plan = plan(try initPod(), Sample.state(["main": Sample.running()]))
        #expect(plan.actions == [])
    }

    @Test func aNewSandboxIsInitializedAnew() throws {
        var state = Sample.state(["first": Sample.ended(0), "second": Sample.ended(0), "main": Sample.ended(137)])
        state.sandboxNumber = 1
        #expect(plan(try initPod(), state).actions == [.findImage("first")])
    }

    @Test func othersWaitUntilASidecarRunsAndGoOnBesideIt() throws {
        let pod = try Sample.pod(
            "{initContainers: [{name: side, image: demo, restartPolicy: Always}, {name: setup, image: demo}], containers: [{name: main, image: demo}]}"
        )
        #expect(plan(pod, Sample.state()).actions == [.findImage("side")])
        #expect(plan(pod, Sample.state(["side": Sample.running()])).actions == [.findImage("setup")])
        #expect(
            plan(pod, Sample.state(["side": Sample.running(), "setup": Sample.ended(0)])).actions == [
                .findImage("main")
            ])
        #expect(
            plan(pod, Sample.state(["side": Sample.ended(0), "setup": Sample.ended(0), "main": Sample.running()]))
                .actions
                == [.findImage("side")])
    }

    // MARK: restarts

    @Test(arguments: [
        ("Always", 0, true), ("Always", 1, true), ("OnFailure", 0, false), ("OnFailure", 1, true), ("Never", 0, false),
        ("Never", 1, false),
    ])
    func theRestartPolicyDecides(policy: String, exitCode: Int, restarts: Bool) throws {
        let plan = plan(try Sample.plainPod(restartPolicy: policy), Sample.state(["main": Sample.ended(exitCode)]))
        #expect(plan.isFinal == !restarts)
        #expect(plan.actions == (restarts ? [.findImage("main")] : []))
    }

    @Test func aContainerThatCrashedBeforeWaits() throws {
        var state = Sample.state(["main": Sample.ended(1, attempt: 1)])
        state.containers["main"]?.crash.restarted(endedAt: Sample.start - .seconds(1), now: Sample.start - .seconds(1))
        let pod = try Sample.plainPod()
        let early = plan(pod, state, after: .seconds(3))
        #expect(early.actions == [])
        #expect(
            early.waiting["main"]
                == PodState.Waiting(
                    reason: "CrashLoopBackOff",
                    message: "back-off 10s restarting failed container=main pod=web_default(uid-1)"))
        #expect(early.wakeAt == Sample.start + .seconds(10))
        #expect(plan(pod, state, after: .seconds(10)).actions == [.findImage("main")])
    }

    @Test func aChangedImageStopsTheContainerAndStartsTheNewOneWhateverThePolicy() throws {
        let pod = try Sample.pod("{restartPolicy: Never, containers: [{name: main, image: new}]}")
        #expect(
            plan(pod, Sample.state(["main": Sample.running(image: "old")])).actions
                == [.stop("main", graceSeconds: 30, why: .imageChanged)])
        #expect(plan(pod, Sample.state(["main": Sample.ended(0, image: "old")])).actions == [.findImage("main")])
    }

    @Test func aPodWithAContainerThatRunsOnHasNotEnded() throws {
        let pod = try Sample.pod("{restartPolicy: Never, containers: [{name: a, image: demo}, {name: b, image: demo}]}")
        #expect(!plan(pod, Sample.state(["a": Sample.ended(0), "b": Sample.running()])).isFinal)
        #expect(plan(pod, Sample.state(["a": Sample.ended(0), "b": Sample.ended(1)])).isFinal)
    }

    // MARK: what goes wrong

    @Test func aProblemIsToldAndTriedAgainInTime() throws {
        var state = Sample.state()
        state.containers["main"] = ContainerState()
        state.containers["main"]?.problem = PodState.Problem(
            reason: "ErrImagePull", message: "no", retryAt: Sample.start + .seconds(10),
            afterwards: PodState.Waiting(reason: "ImagePullBackOff", message: "Back-off"),
            afterwardsAt: Sample.start + .seconds(1))
        let pod = try Sample.plainPod()
        let first = plan(pod, state)
        #expect(first.actions == [])
        #expect(first.waiting["main"]?.reason == "ErrImagePull")
        #expect(first.wakeAt == Sample.start + .seconds(1))
        let second = plan(pod, state, after: .seconds(2))
        #expect(second.waiting["main"] == PodState.Waiting(reason: "ImagePullBackOff", message: "Back-off"))
        #expect(second.wakeAt == Sample.start + .seconds(10))
        #expect(plan(pod, state, after: .seconds(10)).actions == [.findImage("main")])
    }

    @Test func aSandboxThatCouldNotBeMadeIsTriedAgainInTime() throws {
        var state = PodState()
        state.sandboxProblem = PodState.Problem(reason: "", message: "no", retryAt: Sample.start + .seconds(1))
        let pod = try Sample.plainPod()
        #expect(!plan(pod, state).actions.contains(.createSandbox))
        #expect(plan(pod, state).wakeAt == Sample.start + .seconds(1))
        #expect(plan(pod, state, after: .seconds(1)).actions.contains(.createSandbox))
    }

    @Test func aDeadSandboxIsRemovedAndMadeAnewForWhatIsToRunAgain() throws {
        var state = Sample.state(["main": Sample.ended(137)])
        state.sandbox = .dead
        #expect(plan(try Sample.plainPod(), state).actions.contains(.removeSandbox))
        state.sandbox = .none
        state.sandboxNumber = 1
        #expect(plan(try Sample.plainPod(), state).actions.contains(.createSandbox))
        // Nothing is to run again: the pod has ended with its sandbox.
        #expect(plan(try Sample.plainPod(restartPolicy: "Never"), state).isFinal)
    }

    // MARK: the end

    private func leaving(_ state: PodState, grace: Int = 30) -> PodState {
        var state = state
        state.leaving = PodState.Leaving(graceSeconds: grace, since: Sample.start, isInAPI: true)
        return state
    }

    @Test func aPodThatLeavesIsTakenDownStepByStep() throws {
        let pod = try Sample.plainPod()
        var state = leaving(Sample.state(["main": Sample.running()]))
        #expect(plan(pod, state).actions == [.stop("main", graceSeconds: 30, why: .podEnds)])
        state.containers["main"]?.stop = ContainerState.Stop(id: "a", deadline: Sample.start + .seconds(30))
        #expect(plan(pod, state).actions == [])
        state.containers["main"]?.current = Sample.ended(143)
        #expect(plan(pod, state).actions == [.removeSandbox])
        state.sandbox = .removing
        #expect(plan(pod, state).actions == [])
        state.sandbox = .none
        #expect(plan(pod, state).actions == [.cleanUp])
        state.isCleaningUp = true
        #expect(plan(pod, state) == PodPlan())
        state.isCleaningUp = false
        state.isCleanedUp = true
        #expect(plan(pod, state).isGone)
    }

    @Test func aShorterGraceCountsWhileItIsStopped() throws {
        var state = leaving(Sample.state(["main": Sample.running()]), grace: 0)
        state.containers["main"]?.stop = ContainerState.Stop(id: "a", deadline: Sample.start + .seconds(30))
        #expect(plan(try Sample.plainPod(), state).actions == [.stop("main", graceSeconds: 0, why: .podEnds)])
    }

    @Test func whatIsBeingMadeIsAwaitedBeforeItIsRemoved() throws {
        var state = leaving(Sample.state())
        state.containers["main"] = ContainerState()
        state.containers["main"]?.startingID = "a"
        #expect(plan(try Sample.plainPod(), state).actions == [])
        state = leaving(PodState())
        state.sandbox = .creating
        #expect(plan(try Sample.plainPod(), state).actions == [])
    }

    @Test func sidecarsEndAfterTheOthers() throws {
        let pod = try Sample.pod(
            "{initContainers: [{name: side, image: demo, restartPolicy: Always}], containers: [{name: main, image: demo}]}"
        )
        var state = leaving(Sample.state(["side": Sample.running("s"), "main": Sample.running()]), grace: 10)
        #expect(plan(pod, state).actions == [.stop("main", graceSeconds: 10, why: .podEnds)])
        state.containers["main"]?.current = Sample.ended(0)
        #expect(plan(pod, state, after: .seconds(4)).actions == [.stop("side", graceSeconds: 6, why: .podEnds)])
        // It gets a moment even when the others have used up the time.
        #expect(plan(pod, state, after: .seconds(20)).actions == [.stop("side", graceSeconds: 2, why: .podEnds)])
    }

    @Test func anEndedPodGivesBackItsSandboxAndVolumesAndKeepsItsLogs() throws {
        var state = Sample.state(["main": Sample.ended(0)])
        state.isFinal = true
        let pod = try Sample.plainPod(restartPolicy: "Never")
        #expect(plan(pod, state).actions == [.removeSandbox])
        state.sandbox = .none
        #expect(plan(pod, state).actions == [.removeVolumes])
        state.volumes = .none
        #expect(plan(pod, state) == PodPlan())
    }

    @Test func aPodThatHasRunTooLongFails() throws {
        let pod = try Sample.plainPod("activeDeadlineSeconds: 60")
        let state = Sample.state(["main": Sample.running()])
        let before = plan(pod, state, time: Sample.now + .seconds(59))
        #expect(!before.exceedsDeadline)
        #expect(before.wakeAt == Sample.start + .seconds(1))
        #expect(plan(pod, state, time: Sample.now + .seconds(60)).exceedsDeadline)
    }
}
