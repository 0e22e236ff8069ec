import KubeAPI

/// One start of a container, or one attempt at it.
struct ContainerRun: Sendable, Equatable {
    enum State: Sendable, Equatable {
        case running
        case ended(ContainerEnd)
    }

    /// 64 hexadecimal digits.
    var id: String
    /// How many there were before of that name; what Kubernetes calls the restart count.
    var attempt: Int
    /// What the spec said.
    var image: String
    /// The image's full name and id.
    var imageName = ""
    var imageID = ""
    var pid = 0
    /// Nil where the program never ran.
    var startedAt: Timestamp?
    /// Counts the pod's sandboxes: what ran in an earlier one says nothing about initialization.
    var sandboxNumber = 0
    /// The runtime keeps a record of it; false for a failed start, and after its sandbox went.
    var isInRuntime = true
    var stopSignal: Int32 = 15
    var state = State.running

    var isRunning: Bool { state == .running }
    var end: ContainerEnd? { if case .ended(let end) = state { end } else { nil } }
}

/// How a run ended, in Kubernetes' words.
struct ContainerEnd: Sendable, Equatable {
    var exitCode: Int
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`.
    var reason: String
    var message = ""
    var startedAt: Timestamp?
    var finishedAt: Timestamp

    init(exitCode: Int, reason: String, message: String = "", startedAt: Timestamp? = nil, finishedAt: Timestamp) {
        self.exitCode = exitCode
        self.reason = reason
        self.message = message
        self.startedAt = startedAt
        self.finishedAt = finishedAt
    }

    init(_ record: ExitRecord) {
        exitCode = record.exitCode
        message = record.message
        startedAt = record.startedAt
        finishedAt = record.finishedAt
        if record.isLost {
            reason = "ContainerStatusUnknown"
            if message.isEmpty { message = "The container ended with its pod's supervisor, and nobody saw how" }
        } else if record.oomKilled {
            reason = "OOMKilled"
        } else {
            reason = exitCode == 0 ? "Completed" : "Error"
        }
    }

    /// The program could not be started: containerd's words for it.
    static func failedStart(_ message: String, at time: Timestamp) -> ContainerEnd {
        ContainerEnd(
            exitCode: 128, reason: "StartError", message: message, startedAt: Timestamp(unixNanos: 0), finishedAt: time)
    }

    /// A container that ran when it was last heard of, and of which nothing is left.
    static func lost(at time: Timestamp) -> ContainerEnd {
        ContainerEnd(
            exitCode: 137, reason: "ContainerStatusUnknown",
            message: "The container could not be located when the pod was deleted.  The container used to be Running",
            finishedAt: time)
    }
}

// MARK: what is kept of a run

extension ContainerRun {
    /// What the runtime keeps of a container for us: `ContainerSpec.annotation`.
    var annotation: JSON {
        [
            "image": .string(image), "imageName": .string(imageName), "imageID": .string(imageID),
            "stopSignal": .int(Int64(stopSignal)),
        ]
    }

    /// A container as the runtime knows it.
    init(_ info: ContainerInfo) {
        id = info.id
        attempt = info.attempt
        image = info.annotation["image"].stringValue
        imageName = info.annotation["imageName"].stringValue
        imageID = info.annotation["imageID"].stringValue
        stopSignal = Int32(clamping: info.annotation["stopSignal"].int ?? 15)
        pid = info.pid
        startedAt = info.startedAt
        if case .exited(let record) = info.state { state = .ended(ContainerEnd(record)) }
    }

    /// For the pod's own file.
    var json: JSON {
        var json: JSON = [
            "id": .string(id), "attempt": .int(Int64(attempt)), "image": .string(image),
            "imageName": .string(imageName), "imageID": .string(imageID),
            "startedAt": JSON(startedAt?.nano), "sandboxNumber": .int(Int64(sandboxNumber)),
        ]
        if let end {
            json["end"] = [
                "exitCode": .int(Int64(end.exitCode)), "reason": .string(end.reason), "message": .string(end.message),
                "startedAt": JSON(end.startedAt?.nano), "finishedAt": .string(end.finishedAt.nano),
            ]
        }
        return json
    }

    init?(_ json: JSON) {
        guard let id = json["id"].string, let attempt = json["attempt"].int else { return nil }
        self.id = id
        self.attempt = attempt
        image = json["image"].stringValue
        imageName = json["imageName"].stringValue
        imageID = json["imageID"].stringValue
        startedAt = Timestamp(json["startedAt"])
        isInRuntime = false
        sandboxNumber = json["sandboxNumber"].int ?? -1
        let end = json["end"]
        state = .ended(
            ContainerEnd(
                exitCode: end["exitCode"].int ?? 137, reason: end["reason"].string ?? "ContainerStatusUnknown",
                message: end["message"].stringValue, startedAt: Timestamp(end["startedAt"]),
                finishedAt: Timestamp(end["finishedAt"]) ?? .now()))
    }

    /// From what the API was told by an earlier kubelet, where the node has kept nothing. Nil for a container that
    /// never ran.
    init?(status: ContainerStatus, image: String, isPrevious: Bool = false, now: Timestamp) {
        let state = isPrevious ? status.json["lastState"] : status.state
        let terminated =
            state["terminated"].isObject ? state["terminated"] : isPrevious ? .null : status.lastTerminated ?? .null
        let running = isPrevious ? .null : status.state["running"]
        guard terminated.isObject || running.isObject else { return nil }
        let containerID = terminated["containerID"].string.nonEmpty ?? status.containerID
        id = containerID.split(separator: "/").last.map(String.init) ?? ""
        attempt = max(0, status.restartCount - (isPrevious ? 1 : 0))
        self.image = image
        imageName = status.image
        imageID = status.imageID
        isInRuntime = false
        sandboxNumber = -1
        if running.isObject {
            startedAt = Timestamp(running["startedAt"])
            var end = ContainerEnd.lost(at: now)
            end.startedAt = startedAt
            self.state = .ended(end)
        } else {
            startedAt = Timestamp(terminated["startedAt"])
            self.state = .ended(
                ContainerEnd(
                    exitCode: terminated["exitCode"].int ?? 137, reason: terminated["reason"].stringValue,
                    message: terminated["message"].stringValue, startedAt: startedAt,
                    finishedAt: Timestamp(terminated["finishedAt"]) ?? now))
        }
    }
}
