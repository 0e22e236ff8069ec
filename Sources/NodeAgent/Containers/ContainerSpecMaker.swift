import Crypto
import KubeAPI

/// Turns a container of a pod into what the runtime makes: the image's configuration under the spec's, references
/// resolved, defaults filled in.
struct ContainerSpecMaker {
    let pod: Pod
    let container: Container
    let image: FoundImage
    let run: ContainerRun
    /// Where its log goes.
    let logPath: String
    let environment: EnvironmentSource
    /// Of its volumes and the pod's own files.
    let mounts: [ContainerMount]
    let memoryCapacity: Int64
    let seccompProfiles: String
    /// The container's environment, of `ContainerEnvironment.build`.
    let variables: [(name: String, value: String)]
    /// The id of the running container whose processes it is to see (`targetContainerName`); nil for its own.
    var pidTarget: String?

    /// What a program finds where neither the image nor the pod says otherwise.
    static let defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// A name that was never used: 256 random bits.
    static func newID() -> String {
        var generator = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        for _ in 0..<4 { withUnsafeBytes(of: generator.next()) { bytes += $0 } }
        return hexadecimal(bytes)
    }

    /// Throws `ContainerConfigError`.
    func make() throws -> ContainerSpec {
        let context = container.securityContext
        let user = try ContainerUser.resolve(
            pod: pod, container: container, imageUser: image.config.user, accounts: image.accounts)
        let capabilities = try ContainerCapabilities.final(context)
        let isPrivileged = context["privileged"].bool ?? false
        // Whoever may administer the system can't be held back by no_new_privs (Kubernetes' rule).
        let allowsEscalation =
            (context["allowPrivilegeEscalation"].bool ?? true) || isPrivileged || capabilities.contains("CAP_SYS_ADMIN")
        return ContainerSpec(
            id: run.id, name: container.name, attempt: run.attempt, layers: image.layers, args: arguments(),
            env: environmentTexts(user),
            workingDir: container.workingDir ?? image.config.workingDirectory.nonEmpty ?? "/",
            uid: user.uid, gid: user.gid, supplementalGroups: user.supplementalGroups, capabilities: capabilities,
            privileged: isPrivileged, readOnlyRootFilesystem: context["readOnlyRootFilesystem"].bool ?? false,
            allowPrivilegeEscalation: allowsEscalation, seccomp: try seccompProfile(isPrivileged: isPrivileged),
            mounts: mounts, resources: PodResources.limits(of: container),
            oomScoreAdj: PodResources.oomScore(pod: pod, container: container, memoryCapacity: memoryCapacity),
            logPath: logPath, terminationMessagePath: container.terminationMessagePath.nonEmpty,
            masksSystemPaths: context["procMount"].string != "Unmasked", tty: container.tty,
            stdin: container.stdin, stdinOnce: container.json["stdinOnce"].bool ?? false,
            pidTarget: pidTarget, annotation: run.annotation)
    }

    /// How a container asks to be ended: by its spec, else by its image.
    static func stopSignal(_ container: Container, _ image: FoundImage) -> Int32 {
        StopSignal.number(container.json["lifecycle"]["stopSignal"].string.nonEmpty ?? image.config.stopSignal)
    }

    /// `command` stands for the image's entry point, and alone for both.
    private func arguments() -> [String] {
        let values = Dictionary(variables.map { ($0.name, $0.value) }, uniquingKeysWith: { _, last in last })
        let expand = { (text: String) in VariableExpansion.expand(text) { values[$0] } }
        let command = container.command.map(expand)
        let args = container.args.map(expand)
        if !command.isEmpty { return command + args }
        return image.config.entrypoint + (args.isEmpty ? image.config.command : args)
    }

    private func environmentTexts(_ user: ContainerUser) -> [String] {
        var texts = ContainerEnvironment.merge(image: image.config.environment, container: variables)
        func add(_ text: String) {
            let prefix = text.prefix { $0 != "=" } + "="
            if !texts.contains(where: { $0.hasPrefix(prefix) }) { texts.append(text) }
        }
        add(Self.defaultPath)
        add("HOSTNAME=\(environment.hostname)")
        add("HOME=\(user.home)")
        if container.tty { add("TERM=xterm") }
        return texts
    }

    private func seccompProfile(isPrivileged: Bool) throws -> SeccompProfile {
        guard !isPrivileged else { return .unconfined }
        var profile = container.securityContext["seccompProfile"]
        if !profile.isObject { profile = pod.spec["securityContext"]["seccompProfile"] }
        switch profile["type"].string {
        case "RuntimeDefault": return .runtimeDefault
        case "Localhost":
            let name = profile["localhostProfile"].stringValue
            guard !name.isEmpty, !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
                throw ContainerConfigError(
                    "seccomp localhostProfile \"\(name)\" must be a path below the profile folder")
            }
            return .localhost("\(seccompProfiles)/\(name)")
        default: return .unconfined
        }
    }
}
