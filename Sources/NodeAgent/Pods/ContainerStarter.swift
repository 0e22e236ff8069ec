import KubeAPI
import Kernel

/// Starts one container: resolves what its spec names, and hands it to the runtime.
struct ContainerStarter: Sendable {
    let context: KubeletContext
    let pod: Pod
    let container: Container
    let image: FoundImage
    let run: ContainerRun
    let volumes: [String: PreparedVolume]
    let podIPs: [String]
    /// The id of the container that an ephemeral one looks into, while it runs.
    let targetID: String?
    /// Services are variables of the environment. Static pods don't wait for an API that may be one of them, and adopted
    /// ones not for one that has not been heard.
    let waitsForServices: Bool

    /// - Returns: what came of it, and when the runtime was asked, if it was.
    func start() async -> (Result<ContainerInfo, StartProblem>, asked: ContinuousClock.Instant?) {
        let spec: ContainerSpec
        do {
            spec = try await makeSpec()
        } catch {
            return (.failure(.config("\(error)")), nil)
        }
        do throws(KernelError) {
            try context.logs.prepare(pod, container.name, attempt: run.attempt, id: run.id)
        } catch {
            return (.failure(.create("\(error)")), nil)
        }
        let asked = ContinuousClock.now
        do throws(RuntimeError) {
            return (.success(try await context.runtime.startContainer(podUID: pod.uid, spec)), asked)
        } catch {
            switch error.reason {
            case .cannotStart: return (.failure(.start(error.description)), asked)
            case .sandboxDead, .notFound: return (.failure(.sandboxGone), asked)
            case .invalidSpec, .noAddressLeft, .system: return (.failure(.create(error.description)), asked)
            }
        }
    }

    private func makeSpec() async throws -> ContainerSpec {
        if let target = container.targetContainerName, targetID == nil {
            throw ContainerConfigError("unable to find target container \"\(target)\"")
        }
        if waitsForServices, let services = context.services {
            _ = await services.waitForSync(atMost: ReferencedObjects.patience)
        }
        let environment = context.environment(of: pod, podIPs: podIPs, objects: try await objects())
        let variables = try ContainerEnvironment.build(container: container, source: environment)
        let mounts = try VolumeMounts(pod: pod, paths: context.paths, volumes: volumes)
            .mounts(of: container, variables: variables)
        var maker = ContainerSpecMaker(
            pod: pod, container: container, image: image, run: run,
            logPath: context.paths.log(pod, container.name, attempt: run.attempt), environment: environment,
            mounts: mounts, memoryCapacity: context.node.memoryCapacity,
            seccompProfiles: context.paths.seccompProfiles, variables: variables)
        maker.pidTarget = targetID
        return try maker.make()
    }

    /// What the container's environment names.
    private func objects() async throws -> [ObjectReference: JSON?] {
        var known: [ObjectReference: JSON?] = [:]
        for reference in ObjectReference.environment(of: container, in: pod.namespace) {
            guard let objects = context.objects else {
                throw ContainerConfigError(
                    "this node has no API server to get \(reference.resource) \"\(reference.name)\" from")
            }
            known[reference] = .some(try await objects.get(reference))
        }
        return known
    }
}
