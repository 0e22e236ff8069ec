import KubeAPI

/// Where a list in pieces goes on: after which key, and as of which revision. Clients hand it back as they got it.
struct ContinueToken: Sendable, Equatable {
    /// Nil: as of now, which a client accepts who goes on although its first revision is gone.
    var revision: Int64?
    /// The last key that was sent, as the cache has it: `default/web-1`.
    var key: String

    private static let version = "meta.k8s.io/v1"

    init(revision: Int64?, key: String) {
        self.revision = revision
        self.key = key
    }

    init(parsing text: String) throws(StatusError) {
        var base64 = text.reduce(into: "") { result, character in
            switch character {
            case "-": result.append("+")
            case "_": result.append("/")
            default: result.append(character)
            }
        }
        while base64.utf8.count % 4 != 0 { base64.append("=") }
        guard let bytes = Base64.decode(base64), let json = try? JSON.parse(bytes) else {  // the answer says as much
            throw .badRequest("continue key is not valid: it was not made by this server")
        }
        guard json["v"].string == Self.version else {
            throw .badRequest("continue key is not valid: server does not recognize this encoded version \(json["v"])")
        }
        guard let revision = json["rv"].int.map(Int64.init), revision == -1 || revision > 0,
            let start = json["start"].string, start.utf8.last == 0
        else { throw .badRequest("continue key is not valid: incorrect encoded start resourceVersion") }
        self.revision = revision == -1 ? nil : revision
        key = String(start.dropLast())
    }

    /// URL-safe base64, as in Kubernetes.
    var text: String {
        let json: JSON = ["v": .string(Self.version), "rv": .int(revision ?? -1), "start": .string(key + "\0")]
        return Base64.encode(json.serialized()).reduce(into: "") { result, character in
            switch character {
            case "+": result.append("-")
            case "/": result.append("_")
            case "=": break
            default: result.append(character)
            }
        }
    }
}
