import KubeAPI

/// The mounts of a container: its volumes, and the files that tell it who and where it is.
struct VolumeMounts {
    let pod: Pod
    let paths: KubeletPaths
    let volumes: [String: PreparedVolume]

    /// Throws `ContainerConfigError`.
    /// - Parameter variables: the container's environment, for `subPathExpr`.
    func mounts(of container: Container, variables: [(name: String, value: String)]) throws -> [ContainerMount] {
        var mounts: [ContainerMount] = []
        for mount in container.volumeMounts {
            let name = mount["name"].stringValue
            guard let volume = volumes[name] else {
                throw ContainerConfigError(
                    "cannot find volume \"\(name)\" to mount into container \"\(container.name)\"")
            }
            let subPath = try subPath(of: mount, variables)
            let source: MountSource
            switch volume.source {
            case .path(let path):
                source = subPath.isEmpty ? .bind(path) : .bindBelow(folder: path, path: subPath)
            case .memory(let size):
                guard subPath.isEmpty else {
                    throw ContainerConfigError(
                        "failed to prepare subPath for volumeMount \"\(name)\" of container \"\(container.name)\": "
                            + "a volume in memory can only be mounted as a whole")
                }
                source = .podMemory(name: name, sizeBytes: size)
            }
            mounts.append(
                ContainerMount(
                    source: source, target: Self.absolute(mount["mountPath"].stringValue),
                    readOnly: volume.isReadOnly || mount["readOnly"].bool == true,
                    propagation: MountPropagation(rawValue: mount["mountPropagation"].stringValue) ?? .none))
        }
        addOwnFiles(to: &mounts, of: container)
        return mounts
    }

    private func subPath(of mount: JSON, _ variables: [(name: String, value: String)]) throws -> String {
        guard let expression = mount["subPathExpr"].string.nonEmpty else { return mount["subPath"].stringValue }
        let values = Dictionary(variables.map { ($0.name, $0.value) }, uniquingKeysWith: { _, last in last })
        var missing: String?
        let path = VariableExpansion.expand(expression) { name in
            if values[name] == nil { missing = name }
            return values[name]
        }
        if let missing { throw ContainerConfigError("subPathExpr \"\(expression)\": variable \(missing) is not set") }
        return path
    }

    /// Relative mount paths are of the root, as in Kubernetes.
    private static func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "/" + path }

    /// /etc/hosts, /etc/hostname and /etc/resolv.conf, unless the container brings its own.
    private func addOwnFiles(to mounts: inout [ContainerMount], of container: Container) {
        let isReadOnly = container.securityContext["readOnlyRootFilesystem"].bool ?? false
        let taken = Set(mounts.map(\.target))
        for (source, target, readOnly) in [
            (paths.etcHosts(pod.uid), "/etc/hosts", false), (paths.hostname(pod.uid), "/etc/hostname", isReadOnly),
            (paths.resolvConf(pod.uid), "/etc/resolv.conf", isReadOnly),
        ] where !taken.contains(target) {
            mounts.append(ContainerMount(source: .bind(source), target: target, readOnly: readOnly))
        }
    }
}
