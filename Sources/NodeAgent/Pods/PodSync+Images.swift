import KubeAPI

/// Where a pod's images come from, and what is told of it.
extension PodSync {
    mutating func findImage(_ name: String) {
        guard let container = pod.container(name) else { return }
        state.containers[name, default: ContainerState()].image = .looking
        let (context, mailbox, pod) = (context, mailbox, pod)
        imageTasks[name] = Task {
            let secrets = PullSecrets(pod: pod, objects: context.objects)
            do throws(ImageProblem) {
                let image = try await context.images.find(
                    container,
                    keyring: {
                        let (keyring, missing) = await secrets.keyring()
                        if !missing.isEmpty { mailbox.send(.pullSecretsMissing(missing)) }
                        return keyring
                    },
                    onPull: { mailbox.send(.imagePulling(name, image: container.image)) })
                mailbox.send(.imageFound(name, image: container.image, .success(image)))
            } catch {
                mailbox.send(.imageFound(name, image: container.image, .failure(error)))
            }
        }
    }

    mutating func imagePulling(_ name: String, _ image: String) {
        guard pod.container(name)?.image == image, state.containers[name]?.image == .looking, state.leaving == nil
        else { return }
        state.containers[name]?.image = .pulling
        events.normal("Pulling", "Pulling image \"\(image)\"", container: name)
    }

    mutating func pullSecretsMissing(_ names: [String]) {
        events.warning(
            "FailedToRetrieveImagePullSecret",
            "Unable to retrieve some image pull secrets (\(names.joined(separator: ", "))); "
                + "attempting to pull the image may not succeed.")
    }

    mutating func imageFound(
        _ name: String, _ text: String, _ result: Result<FoundImage, ImageProblem>, now: Instant
    ) {
        // The pod has another image by now, or was told to go.
        guard pod.container(name)?.image == text else { return }
        imageTasks[name] = nil
        var container = state.containers[name] ?? ContainerState()
        defer { state.containers[name] = container }
        guard state.leaving == nil else {
            container.image = .none
            return
        }
        switch result {
        case .success(let image):
            container.image = .found(image)
            if Self.isImageProblem(container.problem) { container.problem = nil }
            container.imageFailures = 0
            if let pull = image.pull {
                events.normal("Pulled", "Successfully pulled image \"\(text)\" \(pull.text)", container: name)
            }
            timings.reach(\.images, at: now)
        case .failure(let problem):
            container.image = .none
            container.problem = Self.known(problem, image: text, failures: container.imageFailures, now: now)
            if problem.isRetried { container.imageFailures += 1 }
            events.warning(Self.eventReason(problem), problem.event, container: name)
            events.warning("Failed", "Error: \(problem.reason)", container: name)
            if problem.isRetried {
                events.normal("BackOff", "Back-off pulling image \"\(text)\"", container: name)
                events.warning("Failed", "Error: ImagePullBackOff", container: name)
            }
        }
    }

    private static func known(_ problem: ImageProblem, image: String, failures: Int, now: Instant) -> PodState.Problem {
        var known = PodState.Problem(reason: problem.reason, message: problem.message)
        guard problem.isRetried else { return known }
        known.retryAt = now + pause(after: failures)
        known.afterwards = PodState.Waiting(
            reason: "ImagePullBackOff",
            message: "Back-off pulling image \"\(image)\": \(problem.reason): \(problem.message)")
        // Seen by whoever looks, before it becomes the back-off.
        known.afterwardsAt = now + .seconds(1)
        return known
    }

    private static func eventReason(_ problem: ImageProblem) -> String {
        switch problem.reason {
        case "ErrImageNeverPull": "ErrImageNeverPull"
        case "InvalidImageName": "InspectFailed"
        default: "Failed"
        }
    }

    private static func isImageProblem(_ problem: PodState.Problem?) -> Bool {
        guard let reason = problem?.reason else { return false }
        return ["ErrImagePull", "ErrImageNeverPull", "RegistryUnavailable", "InvalidImageName", "ImageInspectError"]
            .contains(reason)
    }

    /// 10 s, doubling, at most 5 minutes: Kubernetes' pause between pulls.
    static func pause(after failures: Int) -> Duration {
        failures > 5 ? .seconds(300) : min(.seconds(10) * (1 << failures), .seconds(300))
    }

    /// The node has other images: containers that wait for one of these wait no more.
    mutating func retryImages() {
        for (name, known) in state.containers where Self.isImageProblem(known.problem) {
            guard let container = pod.container(name), container.imagePullPolicy != "Always",
                context.images.isPresent(container.image)
            else { continue }
            state.containers[name]?.problem = nil
            state.containers[name]?.image = .none
        }
    }
}
