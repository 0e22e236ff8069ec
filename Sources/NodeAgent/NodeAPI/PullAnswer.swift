import KubeAPI
import Transport

/// A pull that a command on this machine asks for: one document a line, of how far it is, and at last of what it came to.
/// Called off where the client goes.
struct PullAnswer: Sendable {
    let puller: ImagePuller

    private static let period = Duration.milliseconds(100)

    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        let name = request.query.first { $0.name == "image" }?.value ?? ""
        // As crictl has it: `user:password`, here in base64.
        let userInfo = request.header("authorization").flatMap { value -> String? in
            guard value.hasPrefix("Basic "), let bytes = Base64.decode(String(value.dropFirst(6))) else { return nil }
            return String(decoding: bytes, as: UTF8.self)
        }
        let stream = response.stream(status: 200, headers: [("Content-Type", "application/json;stream=watch")])
        let puller = puller
        let task = Task {
            let last = await Self.run(puller, name, userInfo) { _ = stream.write(Self.line($0)) }
            stream.write(Self.line(last))
            stream.finish()
        }
        stream.onClose { task.cancel() }
    }

    private static func line(_ json: JSON) -> Frame { Frame(json.serialized() + [UInt8(ascii: "\n")]) }

    private static func run(
        _ puller: ImagePuller, _ name: String, _ userInfo: String?, _ tell: @escaping @Sendable (JSON) -> Void
    ) async -> JSON {
        var reporting: Task<Void, Never>?
        defer { reporting?.cancel() }
        do {
            let pulled = try await puller.pull(name, userInfo: userInfo) { progress in
                reporting = Task { await report(progress, tell) }
            }
            return pulled.json
        } catch {
            return ["error": .string("\(error)")]
        }
    }

    /// Tells of a pull whenever it has gone on.
    private static func report(_ progress: PullProgress, _ tell: @Sendable (JSON) -> Void) async {
        var told = PullProgress.Snapshot()
        while (try? await Task.sleep(for: period)) != nil {
            let now = progress.snapshot
            if now != told { tell(now.json) }
            told = now
        }
    }
}

extension PullProgress.Snapshot {
    var json: JSON {
        [
            "totalBytes": .int(totalBytes), "receivedBytes": .int(receivedBytes), "layers": .int(Int64(layers)),
            "unpackedLayers": .int(Int64(unpackedLayers)),
        ]
    }

    /// What `json` was made of.
    public init(_ json: JSON) {
        totalBytes = Int64(json["totalBytes"].int ?? 0)
        receivedBytes = Int64(json["receivedBytes"].int ?? 0)
        layers = json["layers"].int ?? 0
        unpackedLayers = json["unpackedLayers"].int ?? 0
    }
}

extension PulledImage {
    /// For the command that asked.
    public var json: JSON {
        [
            "id": .string(image.id), "repoDigest": .string(repoDigest), "sizeBytes": .int(image.sizeBytes),
            "wasPresent": .bool(wasPresent), "durationMs": .int(duration.nanoseconds / 1_000_000),
        ]
    }
}
