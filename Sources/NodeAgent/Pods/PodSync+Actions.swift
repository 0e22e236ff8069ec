import KubeAPI
import Kernel

/// Sets going what the plan asks for. Everything answers by a message.
extension PodSync {
    mutating func begin(_ action: PodPlan.Action, now: Instant) {
        switch action {
        case .createSandbox: createSandbox()
        case .removeSandbox: removeSandbox()
        case .prepareVolumes: prepareVolumes()
        case .removeVolumes: removeVolumes()
        case .findImage(let name): findImage(name)
        case .start(let name): start(name, now: now)
        case .preStop(let name, let grace, let why): preStop(name, graceSeconds: grace, why, now: now)
        case .stop(let name, let grace, let why): stop(name, graceSeconds: grace, why, now: now)
        case .cleanUp: cleanUp()
        }
    }

    // MARK: sandbox

    private mutating func createSandbox() {
        state.sandbox = .creating
        let spec = SandboxSpecMaker.make(
            pod: pod, nodeHostname: context.node.hostname, startTime: state.startTime ?? .now(),
            number: state.sandboxNumber, pidsLimit: context.config.podPidsLimit)
        let (context, mailbox, pod) = (context, mailbox, pod)
        Task {
            let files = PodFolder(context: context, pod: pod, hostname: spec.hostname)
            // Beside the sandbox: none of it needs the address.
            async let isPrepared = files.prepare()
            let asked = ContinuousClock.now
            let made = await Self.result { () throws(RuntimeError) in try await context.runtime.createSandbox(spec) }
            let answered = ContinuousClock.now
            var result = made
            if case .success(let info) = made {
                let addresses = pod.hostNetwork ? context.node.hostIPs : info.addresses
                do throws(RuntimeError) {
                    try await isPrepared.get()
                    try files.writeHosts(podIPs: addresses)
                } catch {
                    // Half a pod is none; the first failure counts.
                    try? await context.runtime.removeSandbox(podUID: pod.uid)
                    result = .failure(error)
                }
            }
            mailbox.send(.sandboxCreated(result, asked: asked, answered: answered))
        }
    }

    private static func result<Value: Sendable>(
        _ body: () async throws(RuntimeError) -> Value
    ) async -> Result<Value, RuntimeError> {
        do throws(RuntimeError) { return .success(try await body()) } catch { return .failure(error) }
    }

    private mutating func removeSandbox() {
        if state.leaving == nil { writeHistory() }
        state.sandbox = .removing
        let (runtime, mailbox, uid) = (context.runtime, mailbox, pod.uid)
        Task {
            do throws(RuntimeError) {
                try await runtime.removeSandbox(podUID: uid)
                mailbox.send(.sandboxRemoved(.success(())))
            } catch {
                mailbox.send(.sandboxRemoved(.failure(error)))
            }
        }
    }

    /// Keeps how the containers ended, before the runtime's records go.
    mutating func writeHistory() {
        do throws(KernelError) {
            try FileTree.makeFolders(context.paths.pod(pod.uid), mode: 0o750)
            try PodHistory(state).write(to: context.paths.podState(pod.uid))
        } catch {
            log.warning("cannot keep a pod's history", metadata: ["err": "\(error)"])
        }
    }

    private mutating func cleanUp() {
        state.isCleaningUp = true
        context.objects?.release(pod.uid)
        let (paths, logs, leftovers, mailbox, pod) = (context.paths, context.logs, context.leftovers, mailbox, pod)
        context.files.post {
            do throws(KernelError) {
                try FileTree.remove(paths.pod(pod.uid))
                try FileTree.remove(paths.memoryVolumes(pod.uid))
                try logs.removeAll(pod)
                mailbox.send(.cleanedUp(.success(())))
            } catch {
                leftovers.add(paths.leftovers(of: pod))
                mailbox.send(.cleanedUp(.failure(CleanUpError(description: "\(error)"))))
            }
        }
    }

    // MARK: containers

    private mutating func start(_ name: String, now: Instant) {
        guard let container = pod.container(name), var known = state.containers[name],
            case .found(let image) = known.image,
            case .ready(let volumes) = state.volumes
        else { return }
        let run = ContainerRun(
            id: ContainerSpecMaker.newID(), attempt: known.nextAttempt, image: container.image, imageName: image.name,
            imageID: image.reference, sandboxNumber: state.sandboxNumber,
            stopSignal: ContainerSpecMaker.stopSignal(container, image))
        if let endedAt = known.backoffFrom, known.current?.image == container.image {
            known.crash.restarted(endedAt: endedAt, now: now)
        }
        known.startingID = run.id
        // What it failed by before is history, once it is tried again.
        known.problem = nil
        state.containers[name] = known
        let starter = ContainerStarter(
            context: context, pod: pod, container: container, image: image, run: run, volumes: volumes,
            podIPs: state.podIPs,
            targetID: container.targetContainerName.flatMap { state.run(of: $0) }.flatMap {
                $0.isRunning ? $0.id : nil
            },
            waitsForServices: !pod.isStatic && reporter.hasSeenAPI)
        let mailbox = mailbox
        Task {
            let (result, asked) = await starter.start()
            mailbox.send(.started(name, run, result, asked: asked))
        }
    }

    private mutating func stop(_ name: String, graceSeconds: Int, _ why: PodPlan.StopReason, now: Instant) {
        guard let run = state.containers[name]?.current, run.isRunning else { return }
        announceEnd(of: name, run, why)
        endHook(of: run.id)
        state.containers[name]?.stop = ContainerState.Stop(id: run.id, deadline: now + .seconds(graceSeconds))
        let (runtime, mailbox, uid) = (context.runtime, mailbox, pod.uid)
        let drain = PodDrain(context.config, pod, addresses: state.podIPs, graceSeconds: graceSeconds)
        Task {
            let graceSeconds = await drain.wait()
            do throws(RuntimeError) {
                let record = try await runtime.stopContainer(
                    podUID: uid, containerID: run.id, graceSeconds: graceSeconds, signal: run.stopSignal)
                mailbox.send(.stopped(name, id: run.id, .success(record)))
            } catch {
                mailbox.send(.stopped(name, id: run.id, .failure(error)))
            }
        }
    }

    /// Removes what the runtime keeps of an ended container, without anybody waiting.
    func removeContainer(_ id: String) {
        let (runtime, uid, log) = (context.runtime, pod.uid, log)
        Task {
            do throws(RuntimeError) {
                try await runtime.removeContainer(podUID: uid, containerID: id)
            } catch {
                // It goes with the sandbox at the latest.
                log.debug("cannot remove container", metadata: ["id": "\(id)", "err": "\(error)"])
            }
        }
    }
}
