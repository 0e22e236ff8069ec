import KubeAPI

/// The node as the API is told of it. A function of what is known.
struct NodeStatus {
    let config: KubeletConfig
    let facts: NodeFacts
    let capacity: [String: Quantity]
    /// Nil: ready; else why not.
    let problem: String?
    let pressure: NodePressure
    let images: [Image]
    /// What the API has, for the times of transitions.
    let known: JSON
    let now: Timestamp

    /// Images that are listed (Kubernetes' `nodeStatusMaxImages`).
    static let imageLimit = 50
    /// Names of one image (Kubernetes' `maxNamesPerImageInNodeStatus`).
    static let nameLimit = 5

    /// The labels that every node has.
    static func labels(nodeName: String, architecture: String) -> [String: String] {
        [
            "beta.kubernetes.io/arch": architecture, "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture,
            "kubernetes.io/hostname": nodeName, "kubernetes.io/os": "linux",
        ]
    }

    func json() -> JSON {
        let amounts = JSON(capacity.mapValues(\.description))
        var addresses: [JSON] = config.nodeIPs.map { ["type": "InternalIP", "address": .string($0.description)] }
        addresses.append(["type": "Hostname", "address": .string(config.nodeName)])
        return [
            "addresses": .array(addresses), "allocatable": amounts, "capacity": amounts,
            "conditions": .array(conditions()),
            "daemonEndpoints": ["kubeletEndpoint": ["Port": .int(Int64(config.port))]],
            "images": .array(imageList()),
            "nodeInfo": [
                "architecture": .string(facts.architecture), "bootID": .string(facts.bootID),
                "containerRuntimeVersion": .string("swiftlet://\(KubernetesVersion.gitVersion)"),
                "kernelVersion": .string(facts.kernelVersion), "kubeProxyVersion": "",
                "kubeletVersion": .string(KubernetesVersion.gitVersion), "machineID": .string(facts.machineID),
                "operatingSystem": "linux", "osImage": .string(facts.osImage), "systemUUID": .string(facts.systemUUID),
            ],
        ]
    }

    /// The largest images, which are worth the most to a scheduler.
    private func imageList() -> [JSON] {
        images.sorted { ($0.sizeBytes, $1.id) > ($1.sizeBytes, $0.id) }.prefix(Self.imageLimit).map { image in
            let known = image.repoDigests + image.names
            let names = known.isEmpty ? [image.id] : Array(known.prefix(Self.nameLimit))
            return ["names": JSON(names), "sizeBytes": .int(image.sizeBytes)]
        }
    }

    // MARK: conditions

    private func conditions() -> [JSON] {
        [
            condition(
                "MemoryPressure", pressure.isMemoryShort,
                pressure.isMemoryShort
                    ? ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available")
                    : ("KubeletHasSufficientMemory", "kubelet has sufficient memory available")),
            condition(
                "DiskPressure", pressure.isDiskShort,
                pressure.isDiskShort
                    ? ("KubeletHasDiskPressure", "kubelet has disk pressure")
                    : ("KubeletHasNoDiskPressure", "kubelet has no disk pressure")),
            condition(
                "PIDPressure", pressure.isPIDShort,
                pressure.isPIDShort
                    ? ("KubeletHasInsufficientPID", "kubelet has insufficient PID available")
                    : ("KubeletHasSufficientPID", "kubelet has sufficient PID available")),
            condition(
                "Ready", problem == nil,
                problem.map { ("KubeletNotReady", $0) } ?? ("KubeletReady", "kubelet is posting ready status")),
        ]
    }

    private func condition(_ type: String, _ isTrue: Bool, _ why: (reason: String, message: String)) -> JSON {
        let status: JSON = isTrue ? "True" : "False"
        let old = known["conditions"].items.first { $0["type"].string == type }
        let isSame = old?["status"] == status
        return [
            "type": .string(type), "status": status, "lastHeartbeatTime": .string(now.rfc3339),
            "lastTransitionTime": isSame ? old?["lastTransitionTime"] ?? .string(now.rfc3339) : .string(now.rfc3339),
            "reason": .string(why.reason), "message": .string(why.message),
        ]
    }

    /// The change to what the API has. Heartbeats alone are none, unless one is due.
    static func patch(from known: JSON, to desired: JSON, isHeartbeatDue: Bool) -> JSON {
        var desired = desired
        if !isHeartbeatDue {
            for index in desired["conditions"].items.indices {
                let old = known["conditions"].items.first { $0["type"] == desired["conditions"][index]["type"] }
                var same = desired["conditions"][index]
                same["lastHeartbeatTime"] = old?["lastHeartbeatTime"] ?? .null
                if same == old { desired["conditions"][index] = same }
            }
        }
        return StatusPatch.make(from: keepingOthers(known, desired), to: desired, owned: [])
    }

    /// Conditions and addresses of others are left alone: only what we write is compared.
    private static func keepingOthers(_ known: JSON, _ desired: JSON) -> JSON {
        var known = known
        let ours = Set(desired["conditions"].items.map { $0["type"].stringValue })
        known["conditions"] = .array(known["conditions"].items.filter { ours.contains($0["type"].stringValue) })
        return known
    }
}
