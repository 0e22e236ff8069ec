import Glibc
import KubeAPI
import Kernel

/// What is written of a pod before anything of it exists, so that whoever comes after knows what to look for.
struct PodRecord: Sendable, Equatable {
    static let format = 1

    enum Phase: String, Sendable {
        /// Some of it may exist. All of it does where a container was begun.
        case building
        /// Written by earlier versions, which noted that it was whole.
        case running
        /// Some of it may be gone; the rest is removed.
        case removing
    }

    var phase: Phase
    var spec: SandboxSpec
    var address: String?
    /// The pod's IPv6 address, where it has one beside its IPv4 one.
    var secondAddress: String?
    var createdAt: Timestamp

    var json: JSON {
        [
            "format": .int(Int64(Self.format)), "phase": .string(phase.rawValue), "uid": .string(spec.podUID),
            "namespace": .string(spec.namespace), "name": .string(spec.name), "hostname": .string(spec.hostname),
            "hostNetwork": .bool(spec.hostNetwork), "hostPID": .bool(spec.hostPID), "hostIPC": .bool(spec.hostIPC),
            "shareProcessNamespace": .bool(spec.shareProcessNamespace), "qos": .string(spec.qos.rawValue),
            "sysctls": JSON(spec.sysctls), "resources": spec.resources.json, "annotation": spec.annotation,
            "address": JSON(address), "secondAddress": JSON(secondAddress), "createdAtNanos": .int(createdAt.unixNanos),
        ]
    }

    /// Nil for what is not a record of a format that is known here.
    init?(_ json: JSON) {
        guard let format = json["format"].int, (1...Self.format).contains(format),
            let phase = Phase(rawValue: json["phase"].stringValue),
            let qos = QOSClass(rawValue: json["qos"].stringValue),
            let uid = json["uid"].string, RuntimePaths.isValid(uid: uid)
        else { return nil }
        self.phase = phase
        spec = SandboxSpec(
            podUID: uid, namespace: json["namespace"].stringValue, name: json["name"].stringValue,
            hostname: json["hostname"].stringValue, hostNetwork: json["hostNetwork"].bool ?? false,
            hostPID: json["hostPID"].bool ?? false, hostIPC: json["hostIPC"].bool ?? false,
            shareProcessNamespace: json["shareProcessNamespace"].bool ?? false, qos: qos,
            sysctls: json["sysctls"].stringMap, resources: ResourceLimits(json["resources"]),
            annotation: json["annotation"])
        address = json["address"].string
        secondAddress = json["secondAddress"].string
        createdAt = Timestamp(unixNanos: Int64(json["createdAtNanos"].int ?? 0))
    }

    init(phase: Phase, spec: SandboxSpec, address: String? = nil, createdAt: Timestamp) {
        self.phase = phase
        self.spec = spec
        self.address = address
        self.createdAt = createdAt
    }

    /// What the pod's link carries; nil for a pod on the node's network.
    var addresses: PodAddresses? {
        get { address.flatMap { IPAddress($0) }.map { PodAddresses($0, secondAddress.flatMap { IPAddress($0) }) } }
        set {
            address = newValue?.ipv4.description
            secondAddress = newValue?.ipv6?.description
        }
    }

    /// Writes the first record of a pod, before anything of it exists: half of one says that nothing does.
    func create(at path: String) throws(KernelError) {
        try DurableFile.create(json.serialized(), at: path)
    }

    /// Written through to the kernel, not to the disk: it has to survive this process. What a power cut takes is a record
    /// of a pod of which nothing runs any more.
    func write(to path: String) throws(KernelError) {
        try DurableFile.write(json.serialized(), to: path, isSynced: false)
    }

    /// Nil where there is none, or a damaged one (by a power cut).
    static func read(_ path: String) -> PodRecord? {
        guard let bytes = try? DurableFile.read(path), let json = try? JSON.parse(bytes) else { return nil }
        return PodRecord(json)
    }
}

extension ResourceLimits {
    var json: JSON {
        [
            "cpuRequestMilli": JSON(cpuRequestMilli), "cpuLimitMilli": JSON(cpuLimitMilli),
            "memoryLimitBytes": JSON(memoryLimitBytes.map { Int($0) }), "pidsLimit": JSON(pidsLimit),
        ]
    }

    init(_ json: JSON) {
        self.init(
            cpuRequestMilli: json["cpuRequestMilli"].int, cpuLimitMilli: json["cpuLimitMilli"].int,
            memoryLimitBytes: json["memoryLimitBytes"].int.map { Int64($0) }, pidsLimit: json["pidsLimit"].int)
    }

    /// As the kernel takes them.
    var cgroup: CgroupLimits {
        func clamped(_ value: Int) -> Int { min(max(value, 0), 1 << 40) }
        return CgroupLimits(
            cpuShares: cpuRequestMilli.map { UInt64(min(max(clamped($0) * 1024 / 1000, 2), 262_144)) },
            // Less than a millisecond in 100 is refused.
            cpuQuotaMicros: cpuLimitMilli.map { UInt64(max(clamped($0) * 100, 1000)) },
            memoryBytes: memoryLimitBytes.map { max($0, 0) }, pids: pidsLimit)
    }
}

/// What is written of a container before it is started.
struct ContainerRecord: Sendable, Equatable {
    static let format = 1
    static let fileName = "container.json"

    var podUID: String
    var id: String
    var name: String
    var attempt: Int
    var logPath: String
    var hasTerminationMessage: Bool
    var createdAt: Timestamp
    var annotation: JSON

    init(podUID: String, spec: ContainerSpec, createdAt: Timestamp) {
        self.podUID = podUID
        id = spec.id
        name = spec.name
        attempt = spec.attempt
        logPath = spec.logPath
        hasTerminationMessage = spec.terminationMessagePath != nil
        self.createdAt = createdAt
        annotation = spec.annotation
    }

    var json: JSON {
        [
            "format": .int(Int64(Self.format)), "podUID": .string(podUID), "id": .string(id), "name": .string(name),
            "attempt": .int(Int64(attempt)), "logPath": .string(logPath),
            "hasTerminationMessage": .bool(hasTerminationMessage), "createdAtNanos": .int(createdAt.unixNanos),
            "annotation": annotation,
        ]
    }

    init?(_ json: JSON) {
        guard let format = json["format"].int, (1...Self.format).contains(format), let uid = json["podUID"].string,
            let id = json["id"].string, RuntimePaths.isValid(containerID: id), let name = json["name"].string
        else { return nil }
        podUID = uid
        self.id = id
        self.name = name
        attempt = json["attempt"].int ?? 0
        logPath = json["logPath"].stringValue
        hasTerminationMessage = json["hasTerminationMessage"].bool ?? false
        createdAt = Timestamp(unixNanos: Int64(json["createdAtNanos"].int ?? 0))
        annotation = json["annotation"]
    }

    static func read(folder: String) -> ContainerRecord? {
        guard let bytes = try? DurableFile.read(folder + "/" + fileName), let json = try? JSON.parse(bytes) else {
            return nil
        }
        return ContainerRecord(json)
    }
}
