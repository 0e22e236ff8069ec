import KubeAPI
import Kernel

/// A pod's volumes: made ready, kept like what they are made of, removed.
extension PodSync {
    mutating func prepareVolumes() {
        state.volumes = .preparing
        isRefreshDue = false
        let (mailbox, setup) = (mailbox, volumeSetup)
        volumesTask = Task {
            do throws(VolumeError) {
                mailbox.send(.volumesPrepared(.success(try await setup.prepare())))
            } catch {
                mailbox.send(.volumesPrepared(.failure(error)))
            }
        }
    }

    mutating func removeVolumes() {
        state.volumes = .removing
        let (paths, mailbox, uid, log) = (context.paths, mailbox, pod.uid, log)
        context.files.post {
            for folder in [paths.volumes(uid), paths.memoryVolumes(uid)] {
                do throws(KernelError) {
                    try FileTree.remove(folder)
                } catch {
                    log.warning("cannot remove volumes", metadata: ["err": "\(error)"])
                }
            }
            mailbox.send(.volumesRemoved)
        }
    }

    private var volumeSetup: VolumeSetup {
        let (context, pod, podIPs) = (context, pod, state.podIPs)
        return VolumeSetup(
            pod: pod, paths: context.paths, objects: context.objects, tokens: context.tokens,
            environment: { context.environment(of: pod, podIPs: podIPs, objects: $0) }, files: context.files)
    }

    // MARK: what has changed meanwhile

    /// Brings the files of what the API gives up to date, because something of it has changed.
    mutating func refreshVolumes() {
        guard state.leaving == nil, pod.volumes.contains(where: VolumeSetup.isContent) else { return }
        switch state.volumes {
        // Perhaps it has been read already.
        case .preparing: isRefreshDue = true
        // An earlier kubelet has made them.
        case .none: if state.hasLiveContainers { prepareVolumes() }
        case .removing: break
        case .ready:
            guard !state.isRefreshingVolumes else {
                isRefreshDue = true
                return
            }
            isRefreshDue = false
            state.isRefreshingVolumes = true
            let (mailbox, setup) = (mailbox, volumeSetup)
            Task {
                do throws(VolumeError) {
                    try await setup.refresh()
                    mailbox.send(.volumesRefreshed(.success(())))
                } catch {
                    mailbox.send(.volumesRefreshed(.failure(error)))
                }
            }
        }
    }

    mutating func volumesRefreshed(_ result: Result<Void, VolumeError>) {
        state.isRefreshingVolumes = false
        // The old files stay; the next change is the next try.
        if case .failure(let error) = result, state.leaving == nil { events.warning("FailedMount", "\(error)") }
        if isRefreshDue { refreshVolumes() }
    }

    /// The fields that volumes may show have changed.
    mutating func refreshDownwardVolumes(since old: Pod) {
        guard
            old.json["metadata"]["labels"] != pod.json["metadata"]["labels"]
                || old.json["metadata"]["annotations"] != pod.json["metadata"]["annotations"]
        else { return }
        let showsFields = pod.volumes.contains { volume in
            volume.json["downwardAPI"].isObject
                || volume.json["projected"]["sources"].items.contains { $0["downwardAPI"].isObject }
        }
        if showsFields { refreshVolumes() }
    }
}
