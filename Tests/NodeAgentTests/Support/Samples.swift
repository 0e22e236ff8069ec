import KubeAPI

@testable import NodeAgent

/// Pods and their parts, as tests need them.
enum Sample {
    static let now = Timestamp(rfc3339: "2026-03-04T05:06:07Z") ?? .now()
    static let start = ContinuousClock.now

    /// A pod of the spec, with defaults as the API server gives them, but that no test asks a registry for `latest`.
    static func pod(_ spec: String, name: String = "web", uid: String = "uid-1", metadata: String = "") throws -> Pod {
        let text = """
            apiVersion: v1
            kind: Pod
            metadata: {name: \(name), namespace: default, uid: \(uid)\(metadata.isEmpty ? "" : ", " + metadata)}
            spec: \(spec)
            """
        var json = try YAML.parse(text)[0]
        for list in ["initContainers", "containers"] {
            for index in json["spec"][list].items.indices where json["spec"][list][index]["imagePullPolicy"].isNull {
                json["spec"][list][index]["imagePullPolicy"] = "IfNotPresent"
            }
        }
        Scheme.builtin.schema(apiVersion: "v1", kind: "Pod")?.applyDefaults(&json)
        return Pod(json)
    }

    static func range(_ text: String) -> CIDR {
        guard let range = CIDR(text) else { fatalError("\(text) is no range") }
        return range
    }

    /// A node whose files lie in that folder.
    static func config(_ folder: String, podCIDR: CIDR? = nil) -> KubeletConfig {
        KubeletConfig(
            nodeName: "node1", nodeIPs: [IPAddress(ipv4: 0xc000_0202)], dataDir: folder + "/data",
            runDir: folder + "/run",
            logDir: folder + "/log", manifests: folder + "/manifests", podCIDRs: [podCIDR].compactMap(\.self),
            clusterCIDR: range("10.244.0.0/16"), serviceCIDR: range("10.96.0.0/16"), resolvConf: folder + "/resolv.conf"
        )
    }

    /// One container `main`, and whatever else.
    static func plainPod(_ more: String = "", restartPolicy: String = "Always") throws -> Pod {
        try pod(
            "{restartPolicy: \(restartPolicy), containers: [{name: main, image: demo}]\(more.isEmpty ? "" : ", " + more)}"
        )
    }

    static func running(_ id: String = "a", attempt: Int = 0, image: String = "demo", sandbox: Int = 0) -> ContainerRun
    {
        ContainerRun(id: id, attempt: attempt, image: image, startedAt: now, sandboxNumber: sandbox)
    }

    static func ended(
        _ exitCode: Int, id: String = "a", attempt: Int = 0, image: String = "demo", sandbox: Int = 0,
        reason: String? = nil
    ) -> ContainerRun {
        var run = running(id, attempt: attempt, image: image, sandbox: sandbox)
        run.state = .ended(
            ContainerEnd(
                exitCode: exitCode, reason: reason ?? (exitCode == 0 ? "Completed" : "Error"), startedAt: now,
                finishedAt: now))
        return run
    }

    static let sandbox = SandboxInfo(podUID: "uid-1", address: "10.244.0.5", createdAt: now, podinitPID: 1)

    static let image = FoundImage(
        id: "sha256:" + String(repeating: "1", count: 64), reference: "sha256:" + String(repeating: "1", count: 64),
        name: "docker.io/library/demo:latest",
        config: JSONImage.empty, layers: ["/layers/1"], accounts: ImageAccounts(passwd: [], group: []))

    /// A pod whose sandbox and volumes are there, with these containers.
    static func state(_ runs: [String: ContainerRun] = [:]) -> PodState {
        var state = PodState()
        state.sandbox = .ready(sandbox)
        state.volumes = .ready([:])
        state.startTime = now
        state.podIPs = ["10.244.0.5"]
        for (name, run) in runs {
            var container = ContainerState()
            container.current = run
            if run.end != nil { container.endedAt = start }
            state.containers[name] = container
        }
        return state
    }
}

enum JSONImage {
    /// An image that says nothing of its processes.
    static let empty: ImageConfig = {
        do { return try config("{}") } catch { fatalError("\(error)") }
    }()

    /// An image's config of the members of `config`.
    static func config(_ config: String) throws -> ImageConfig {
        try ImageConfig(
            try JSON.parse(
                #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":\#(config)}"#))
    }
}
