import Glibc
import KubeAPI
import Kernel

/// Makes a pod's volumes ready. May be done again: what holds already is left alone.
struct VolumeSetup: Sendable {
    let pod: Pod
    let paths: KubeletPaths
    /// Nil on a node without an API.
    let objects: ReferencedObjects?
    /// Nil likewise.
    let tokens: ServiceAccountTokens?
    let environment: @Sendable ([ObjectReference: JSON?]) -> EnvironmentSource
    /// Runs what touches the disk.
    let files: WorkerThreads

    func prepare() async throws(VolumeError) -> [String: PreparedVolume] {
        var prepared: [String: PreparedVolume] = [:]
        for volume in pod.volumes { prepared[volume.name] = try await prepare(volume) }
        return prepared
    }

    /// Writes anew what the API gives, where it has changed. The first failure is thrown when all have been tried.
    func refresh() async throws(VolumeError) {
        var failure: VolumeError?
        for volume in pod.volumes where Self.isContent(volume) {
            do throws(VolumeError) {
                _ = try await content(volume)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Its files are made of objects of the API.
    static func isContent(_ volume: Volume) -> Bool { plugins[volume.sourceType] != nil }

    private func prepare(_ volume: Volume) async throws(VolumeError) -> PreparedVolume {
        let name = volume.name
        switch volume.sourceType {
        case "emptyDir", "": return try await emptyDir(volume)
        case "hostPath":
            let path = volume.source["path"].stringValue
            let type = volume.source["type"].stringValue
            try await files.run { () throws(VolumeError) in try HostPath.check(path, type: type, volume: name) }
            return PreparedVolume(source: .path(path))
        case "configMap", "secret", "downwardAPI", "projected":
            return try await content(volume)
        default:
            throw VolumeError(volume: name, cause: "volume type \(volume.sourceType) is not supported yet")
        }
    }

    // MARK: emptyDir

    private func emptyDir(_ volume: Volume) async throws(VolumeError) -> PreparedVolume {
        let limit = Quantity(volume.source["sizeLimit"]).flatMap { $0.isZero ? nil : $0.value }
        let medium = volume.source["medium"].stringValue
        if medium == "Memory" { return PreparedVolume(source: .memory(sizeBytes: limit)) }
        guard medium.isEmpty else {
            throw VolumeError(volume: volume.name, cause: "emptyDir medium \(medium) is not supported yet")
        }
        let path = paths.volume(pod.uid, plugin: "empty-dir", name: volume.name)
        let group = fsGroup
        let name = volume.name
        try await files.run { () throws(VolumeError) in
            do throws(KernelError) {
                if HostFiles.exists(path) { return }
                try FileTree.makeFolders(path)
                if let group, lchown(path, uid_t.max, group) != 0 { throw KernelError("give a group to", path) }
                // Everybody in the pod may write, whoever they run as.
                guard chmod(path, group == nil ? 0o777 : 0o2777) == 0 else {
                    throw KernelError("set the mode of", path)
                }
            } catch {
                throw VolumeError(volume: name, cause: "\(error)")
            }
        }
        return PreparedVolume(source: .path(path))
    }

    private var fsGroup: UInt32? { pod.spec["securityContext"]["fsGroup"].int.flatMap { UInt32(exactly: $0) } }

    // MARK: what the API gives

    private static let plugins = [
        "configMap": "configmap", "secret": "secret", "downwardAPI": "downward-api", "projected": "projected",
    ]

    private func content(_ volume: Volume) async throws(VolumeError) -> PreparedVolume {
        let name = volume.name
        let plugin = Self.plugins[volume.sourceType] ?? volume.sourceType
        // Only configMaps are nobody's secret.
        let path =
            volume.sourceType == "configMap"
            ? paths.volume(pod.uid, plugin: plugin, name: name)
            : paths.memoryVolume(pod.uid, plugin: plugin, name: name)
        let prepared = PreparedVolume(source: .path(path), isReadOnly: true)
        // A pod goes on with what it has while the API is away.
        let isThere = HostFiles.linkTarget("\(path)/\(AtomicWriter.dataName)") != nil
        var known: [ObjectReference: JSON?] = [:]
        for reference in references(of: volume) {
            do throws(APIConnectionError) {
                guard let objects else {
                    throw APIConnectionError(
                        "this node has no API server to get \(reference.resource) \"\(reference.name)\" from")
                }
                known[reference] = .some(
                    try await objects.get(
                        reference,
                        patience: isThere ? ReferencedObjects.shortPatience : ReferencedObjects.patience))
            } catch {
                if isThere { return prepared }
                throw VolumeError(volume: name, cause: "\(error)")
            }
        }
        let tokens: [TokenRequest: String]
        do {
            tokens = try await self.tokens(of: volume)
        } catch {
            if isThere, !((error as? StatusError)?.isFinal ?? false) { return prepared }
            throw VolumeError(
                volume: name, cause: "failed to fetch token: \((error as? StatusError)?.message ?? "\(error)")")
        }
        let content = VolumeContent(pod: pod, environment: environment(known), objects: known, tokens: tokens)
        let payload: [String: VolumeFile]
        do {
            payload = try content.files(of: volume)
        } catch {
            throw VolumeError(volume: name, cause: "\(error)")
        }
        let writer = AtomicWriter(folder: path, group: fsGroup)
        try await files.run { () throws(VolumeError) in
            do throws(KernelError) {
                try writer.write(payload)
            } catch {
                throw VolumeError(volume: name, cause: "\(error)")
            }
        }
        return prepared
    }

    private func tokens(of volume: Volume) async throws -> [TokenRequest: String] {
        var result: [TokenRequest: String] = [:]
        for request in TokenRequest.all(of: volume, in: pod) {
            guard let tokens else { throw APIConnectionError("this node has no API server") }
            result[request] = try await tokens.token(request)
        }
        return result
    }

    private func references(of volume: Volume) -> Set<ObjectReference> {
        var json: JSON = ["spec": ["volumes": [volume.json]]]
        json["metadata"] = ["namespace": .string(pod.namespace)]
        return ObjectReference.all(of: Pod(json))
    }
}
