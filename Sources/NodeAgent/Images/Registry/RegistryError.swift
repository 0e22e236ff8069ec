import KubeAPI
import Transport

/// What could not be done with a registry, and why: in the words that containerd's users know.
struct RegistryError: Error, Sendable, CustomStringConvertible {
    enum Kind: Sendable {
        /// Nobody answers, or the registry says that it can't.
        case unavailable
        case notFound
        /// It wants to know who asks, or forbids it.
        case denied
        /// What came is not what was asked for.
        case invalid
        case failed
    }

    let kind: Kind
    let description: String

    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// An answer that no request could be made for.
    init(_ error: TransportError, _ method: String, _ url: String) {
        let kind: Kind =
            switch error.code {
            case .cannotConnect, .connectionLost, .timedOut: .unavailable
            default: .failed
            }
        let verb = method.prefix(1) + method.dropFirst().lowercased()
        self.init(kind, "failed to do request: \(verb) \"\(url)\": \(error)")
    }

    /// An answer that is no success.
    /// - Parameter body: what came of it, for the registry's own words (distribution-spec, "Error Codes").
    init(status: Int, _ method: String, _ url: String, body: [UInt8]) {
        let kind: Kind =
            switch status {
            case 401, 403: .denied
            case 404: .notFound
            case 429, 502...504: .unavailable
            default: .failed
            }
        var text = "unexpected status from \(method) request to \(url): \(status)"
        if let phrase = Self.phrases[status] { text += " \(phrase)" }
        // HTML and its like say nothing that helps.
        if let words = Self.words(body) { text += ": \(words)" }
        self.init(kind, text)
    }

    private static func words(_ body: [UInt8]) -> String? {
        guard let json = try? JSON.parse(body) else { return nil }
        let words = json["errors"].items.prefix(3).compactMap { error -> String? in
            let code = error["code"].stringValue.lowercased().filter { $0 != "_" }
            let message = error["message"].stringValue
            return code.isEmpty ? message.nonEmptyText : message.isEmpty ? code : "\(code): \(message)"
        }
        let text = words.joined(separator: ", ")
        return text.isEmpty ? nil : String(text.prefix(500))
    }

    /// RFC 9110's, of those that registries send.
    private static let phrases = [
        400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
        406: "Not Acceptable", 416: "Requested Range Not Satisfiable", 429: "Too Many Requests",
        500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
    ]
}

extension String {
    fileprivate var nonEmptyText: String? { isEmpty ? nil : self }
}
