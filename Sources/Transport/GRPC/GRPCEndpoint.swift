import Glibc
import NIOCore

/// A server that calls can go to: `http://host:port` in plain HTTP/2, `https://host:port` over TLS.
public struct GRPCEndpoint: Sendable, Equatable, CustomStringConvertible {
    public let isTLS: Bool
    /// Without brackets.
    public let host: String
    public let port: Int

    public init(_ url: String) throws(TransportError) {
        let parsed: HTTPURL
        do throws(TransportError) { parsed = try HTTPURL(url) } catch {
            throw TransportError(
                .invalidConfiguration, "cannot use server \"\(url.prefix(200))\": expected http(s)://host:port")
        }
        guard parsed.target == "/" else {
            throw TransportError(
                .invalidConfiguration, "cannot use server \"\(url.prefix(200))\": it must have no path")
        }
        isTLS = parsed.isTLS
        host = parsed.host
        port = parsed.port
    }

    var authority: String { "\(host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host):\(port)" }
    public var description: String { "\(isTLS ? "https" : "http")://\(authority)" }
}

/// How long a connection waits for what.
struct GRPCPace: Sendable {
    /// For a connection and the first settings.
    var connect = TimeAmount.seconds(2)
    /// Silence after which the server is asked whether it is there: while calls wait, and otherwise.
    var quietWhileAsked = TimeAmount.seconds(2)
    var quiet = TimeAmount.seconds(10)
    /// For its answer.
    var pingAnswer = TimeAmount.seconds(3)
    /// etcd hangs up on those who ask more often than every 5 s (--grpc-keepalive-min-time).
    var betweenPings = TimeAmount.milliseconds(5200)
    /// Before a further round through all servers, growing from the first to the second.
    var firstPause = TimeAmount.milliseconds(50)
    var longestPause = TimeAmount.seconds(2)
}

extension DialError.Cause {
    /// What an administrator reads.
    var words: String {
        switch self {
        case .timedOut: "connection timed out"
        case .cancelled: "cancelled"
        case .system(let code): String(cString: strerror(code))
        case .closed: "the connection was closed"
        case .malformed(let text), .tls(let text), .unresolved(let text), .unusable(let text): text
        }
    }
}
