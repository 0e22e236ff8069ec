import KubeAPI
import Kernel

/// What of a pod outlives its sandbox, on the disk as `<pod>/state.json`: that it has ended, and how its containers did.
///
/// The runtime's records go with the sandbox. Written before that, so that whatever comes between, an ended pod is not
/// started again, and restart counts don't begin anew. Not synced: it has to survive this process.
struct PodHistory: Sendable, Equatable {
    static let format = 1

    var startTime: Timestamp?
    var podIPs: [String] = []
    var isFinal = false
    var sandboxNumber = 0
    var containers: [String: (current: ContainerRun?, previous: ContainerRun?)] = [:]

    init(_ state: PodState) {
        startTime = state.startTime
        podIPs = state.podIPs
        isFinal = state.isFinal
        sandboxNumber = state.sandboxNumber
        for (name, container) in state.containers { containers[name] = (container.current, container.previous) }
    }

    static func == (left: PodHistory, right: PodHistory) -> Bool { left.json == right.json }

    var json: JSON {
        var json: JSON = [
            "format": .int(Int64(Self.format)), "startTime": JSON(startTime?.nano), "podIPs": JSON(podIPs),
            "isFinal": .bool(isFinal), "sandboxNumber": .int(Int64(sandboxNumber)), "containers": .emptyObject,
        ]
        for name in containers.keys.sorted() {
            json["containers"][name] = [
                "current": containers[name]?.current?.json ?? .null,
                "previous": containers[name]?.previous?.json ?? .null,
            ]
        }
        return json
    }

    /// Nil for what is no such file, or one of a format that is not known.
    init?(_ json: JSON) {
        guard let format = json["format"].int, (1...Self.format).contains(format) else { return nil }
        startTime = Timestamp(json["startTime"])
        podIPs = json["podIPs"].items.compactMap(\.string)
        isFinal = json["isFinal"].bool ?? false
        sandboxNumber = json["sandboxNumber"].int ?? 0
        for (name, value) in json["containers"].object ?? JSONObject() {
            containers[name] = (ContainerRun(value["current"]), ContainerRun(value["previous"]))
        }
    }

    static func read(_ path: String) -> PodHistory? {
        // Missing is usual; a damaged one (by a power cut) is as good as missing.
        guard let bytes = try? DurableFile.read(path), let json = try? JSON.parse(bytes) else { return nil }
        return PodHistory(json)
    }

    func write(to path: String) throws(KernelError) {
        try DurableFile.write(json.serialized(), to: path, isSynced: false)
    }
}
