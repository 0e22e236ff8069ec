import KubeAPI
import Testing

@testable import NodeAgent

/// How containers are ended that a probe, a hook or the pod's end asks for.
@Suite struct ContainerEndTests {
    private func plan(_ pod: Pod, _ state: PodState, after: Duration = .zero) -> PodPlan {
        PodPlan.make(
            PodPlan.Input(
                pod: pod, state: state, isNetworkReady: true, now: Sample.start + after, time: Sample.now))
    }

    private func pod(_ fields: String, restartPolicy: String = "Always", more: String = "") throws -> Pod {
        try Sample.pod(
            "{restartPolicy: \(restartPolicy), containers: [{name: main, image: demo, \(fields)}]\(more.isEmpty ? "" : ", " + more)}"
        )
    }

    private func leaving(_ state: PodState, grace: Int = 30) -> PodState {
        var state = state
        state.leaving = PodState.Leaving(graceSeconds: grace, since: Sample.start, isInAPI: true)
        return state
    }

    // MARK: probes

    @Test(arguments: [ProbeKind.liveness, .startup])
    func aFailedProbeEndsTheContainerInThePodsTime(kind: ProbeKind) throws {
        let pod = try pod("\(kind.field): {tcpSocket: {port: 80}}")
        var state = Sample.state(["main": Sample.running()])
        #expect(plan(pod, state).actions == [])
        state.containers["main"]?.health[kind] = true
        #expect(plan(pod, state).actions == [])
        state.containers["main"]?.health[kind] = false
        #expect(plan(pod, state).actions == [.stop("main", graceSeconds: 30, why: .failedProbe(kind))])
        state.containers["main"]?.stop = ContainerState.Stop(id: "a", deadline: Sample.start + .seconds(30))
        #expect(plan(pod, state).actions == [])
    }

    @Test func theProbesOwnTimeCounts() throws {
        let pod = try pod("livenessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 5}")
        var state = Sample.state(["main": Sample.running()])
        state.containers["main"]?.health[.liveness] = false
        #expect(plan(pod, state).actions == [.stop("main", graceSeconds: 5, why: .failedProbe(.liveness))])
    }

    @Test func anUnreadyContainerRunsOn() throws {
        let pod = try pod("readinessProbe: {tcpSocket: {port: 80}}")
        var state = Sample.state(["main": Sample.running()])
        state.containers["main"]?.health[.readiness] = false
        #expect(plan(pod, state).actions == [])
        #expect(!state.isReady(pod.containers[0]))
        #expect(state.isStarted(pod.containers[0]))
    }

    @Test func whatAProbeHasEndedIsStartedAgainAtOnceButNotForEver() throws {
        let pod = try pod("livenessProbe: {tcpSocket: {port: 80}}")
        var state = Sample.state(["main": Sample.ended(137, attempt: 1)])
        state.containers["main"]?.isFailedProbe = true
        state.containers["main"]?.crash.restarted(
            endedAt: Sample.start - .seconds(100), now: Sample.start - .seconds(100))
        // Its first end: nothing is counted.
        #expect(plan(pod, state).actions == [.findImage("main")])
        // The pause counts from the end before.
        state.containers["main"]?.previousEndedAt = Sample.start - .seconds(30)
        #expect(plan(pod, state).actions == [.findImage("main")])
        state.containers["main"]?.previousEndedAt = Sample.start - .seconds(4)
        #expect(plan(pod, state).waiting["main"]?.reason == "CrashLoopBackOff")
        #expect(plan(pod, state).wakeAt == Sample.start + .seconds(6))
    }

    @Test func whatAProbeHasEndedFailedThoughItSaysOtherwise() throws {
        let pod = try pod("livenessProbe: {tcpSocket: {port: 80}}", restartPolicy: "OnFailure")
        var state = Sample.state(["main": Sample.ended(0)])
        #expect(plan(pod, state).isFinal)
        state.containers["main"]?.isFailedProbe = true
        #expect(plan(pod, state).actions == [.findImage("main")])
    }

    @Test func othersWaitForASidecarsStartupProbe() throws {
        let pod = try Sample.pod(
            "{initContainers: [{name: side, image: demo, restartPolicy: Always, startupProbe: {tcpSocket: {port: 80}}}], containers: [{name: main, image: demo}]}"
        )
        var state = Sample.state(["side": Sample.running()])
        #expect(plan(pod, state).actions == [])
        state.containers["side"]?.health[.startup] = true
        #expect(plan(pod, state).actions == [.findImage("main")])
        state.containers["side"]?.health[.startup] = false
        #expect(plan(pod, state).actions == [.stop("side", graceSeconds: 30, why: .failedProbe(.startup))])
    }

    // MARK: postStart

    @Test func thoseAfterItWaitForAPostStartHook() throws {
        let pod = try Sample.pod(
            "{containers: [{name: a, image: demo, lifecycle: {postStart: {sleep: {seconds: 1}}}}, {name: b, image: demo}]}"
        )
        var state = Sample.state()
        #expect(plan(pod, state).actions == [.findImage("a")])
        state = Sample.state(["a": Sample.running()])
        state.containers["a"]?.postStart = .running
        #expect(plan(pod, state).actions == [])
        #expect(!state.isStarted(pod.containers[0]))
        state.containers["a"]?.postStart = .done
        #expect(plan(pod, state).actions == [.findImage("b")])
        // One that crashes keeps nobody up.
        state = Sample.state(["a": Sample.ended(1)])
        state.containers["a"]?.crash.restarted(endedAt: Sample.start, now: Sample.start)
        #expect(plan(pod, state).actions == [.findImage("b")])
    }

    @Test func aFailedPostStartHookEndsTheContainer() throws {
        var state = Sample.state(["main": Sample.running()])
        state.containers["main"]?.postStart = .failed
        #expect(
            plan(try Sample.plainPod(), state).actions == [.stop("main", graceSeconds: 30, why: .failedPostStart)])
    }

    // MARK: preStop

    private let hook = "lifecycle: {preStop: {sleep: {seconds: 5}}}"

    @Test func thePreStopHookComesBeforeTheSignalAndInItsTime() throws {
        let pod = try pod(hook)
        var state = leaving(Sample.state(["main": Sample.running()]))
        #expect(plan(pod, state).actions == [.preStop("main", graceSeconds: 30, why: .podEnds)])
        state.containers["main"]?.preStop = ContainerState.PreStop(id: "a", deadline: Sample.start + .seconds(30))
        let waiting = plan(pod, state, after: .seconds(4))
        #expect(waiting.actions == [])
        #expect(waiting.wakeAt == Sample.start + .seconds(30))
        state.containers["main"]?.preStop?.isDone = true
        #expect(plan(pod, state, after: .seconds(5)).actions == [.stop("main", graceSeconds: 25, why: .podEnds)])
    }

    @Test func aHookThatNeverEndsIsLeftAndTheProgramGetsAMoment() throws {
        let pod = try pod(hook)
        var state = leaving(Sample.state(["main": Sample.running()]))
        state.containers["main"]?.preStop = ContainerState.PreStop(id: "a", deadline: Sample.start + .seconds(30))
        #expect(plan(pod, state, after: .seconds(30)).actions == [.stop("main", graceSeconds: 2, why: .podEnds)])
        // A shorter grace counts for the hook too.
        state = leaving(state, grace: 1)
        #expect(plan(pod, state, after: .seconds(1)).actions == [.stop("main", graceSeconds: 2, why: .podEnds)])
    }

    @Test func withoutAGraceThereIsNoHook() throws {
        let state = leaving(Sample.state(["main": Sample.running()]), grace: 0)
        #expect(plan(try pod(hook), state).actions == [.stop("main", graceSeconds: 0, why: .podEnds)])
    }

    @Test func aHookThatRanForAProbeIsNotRunAgain() throws {
        let pod = try pod(hook + ", livenessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 8}")
        var state = Sample.state(["main": Sample.running()])
        state.containers["main"]?.health[.liveness] = false
        #expect(plan(pod, state).actions == [.preStop("main", graceSeconds: 8, why: .failedProbe(.liveness))])
        state.containers["main"]?.preStop = ContainerState.PreStop(
            id: "a", deadline: Sample.start + .seconds(8), isDone: true)
        #expect(
            plan(pod, state, after: .seconds(3)).actions
                == [.stop("main", graceSeconds: 5, why: .failedProbe(.liveness))])
        state = leaving(state)
        #expect(plan(pod, state, after: .seconds(3)).actions == [.stop("main", graceSeconds: 5, why: .podEnds)])
    }

    @Test func hooksOfSidecarsRunAtOnceAndTheirEndsInReverse() throws {
        let side = "image: demo, restartPolicy: Always"
        let pod = try Sample.pod(
            "{initContainers: [{name: one, \(side)}, {name: two, \(side), \(hook)}], containers: [{name: main, image: demo}]}"
        )
        var state = leaving(
            Sample.state(["one": Sample.running("o"), "two": Sample.running("t"), "main": Sample.running()]), grace: 20)
        #expect(
            plan(pod, state).actions == [
                .stop("main", graceSeconds: 20, why: .podEnds), .preStop("two", graceSeconds: 20, why: .podEnds),
            ])
        state.containers["main"]?.current = Sample.ended(0)
        state.containers["two"]?.preStop = ContainerState.PreStop(
            id: "t", deadline: Sample.start + .seconds(20), isDone: true)
        #expect(plan(pod, state, after: .seconds(6)).actions == [.stop("two", graceSeconds: 14, why: .podEnds)])
        #expect(plan(pod, state, after: .seconds(6)).wakeAt == Sample.start + .seconds(20))
        // The time is up: all at once.
        #expect(
            plan(pod, state, after: .seconds(20)).actions == [
                .stop("one", graceSeconds: 2, why: .podEnds), .stop("two", graceSeconds: 2, why: .podEnds),
            ])
        state.containers["two"]?.current = Sample.ended(0)
        #expect(plan(pod, state, after: .seconds(7)).actions == [.stop("one", graceSeconds: 13, why: .podEnds)])
    }
}
