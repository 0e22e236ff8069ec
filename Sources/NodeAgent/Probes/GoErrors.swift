import Glibc
import Kernel
import Transport

extension DialError {
    /// Nothing listens there.
    var isRefusal: Bool { stage == .connection && cause == .system(ECONNREFUSED) }
}

/// What Go's network library would have said: the texts that people look up.
enum GoErrors {
    /// Of a GET: `Get "http://10.0.0.1:80/": dial tcp 10.0.0.1:80: connect: connection refused`.
    static func get(_ url: ProbeURL, _ error: DialError) -> String { "Get \"\(url.text)\": \(cause(error, of: url))" }

    private static func cause(_ error: DialError, of url: ProbeURL) -> String {
        switch (error.stage, error.cause) {
        case (.body, .timedOut): "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
        case (.connection, .timedOut), (.answer, .timedOut):
            "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        case (.connection, _): dial(host: url.host, address: url.address, error)
        case (_, .closed): error.stage == .body ? "unexpected EOF" : "EOF"
        // Go says the local port too, which would make an event of its own of each.
        case (_, .system(let code)): "read tcp \(url.address): read: \(words(code))"
        case (_, .tls(let text)):
            text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST")
                ? "http: server gave HTTP response to HTTPS client" : "tls: \(text)"
        case (_, .malformed(let text)):
            "net/http: HTTP/1.x transport connection broken: malformed HTTP response: \(text)"
        case (_, .unusable(let text)), (_, .unresolved(let text)): text
        case (_, .cancelled): "context canceled"
        }
    }

    /// Of a connection: `dial tcp 10.0.0.1:80: connect: connection refused`.
    static func dial(host: String, address: String, _ error: DialError) -> String {
        switch error.cause {
        case .timedOut: "dial tcp \(address): i/o timeout"
        case .system(let code): "dial tcp \(address): connect: \(words(code))"
        case .unresolved: "dial tcp: lookup \(host): no such host"
        case .unusable(let text): text
        case .cancelled: "dial tcp \(address): operation was canceled"
        case .closed, .malformed, .tls: "dial tcp \(address): connect: connection reset by peer"
        }
    }

    /// An errno as Go spells it: small letters.
    private static func words(_ code: Int32) -> String { KernelError.words(code).lowercased() }
}
