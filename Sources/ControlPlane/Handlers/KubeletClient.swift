import KubeAPI
import Logging
import Transport

/// How the API server calls kubelets: over TLS, showing its own certificate and checking theirs.
struct KubeletClient: Sendable {
    struct Address: Sendable {
        let host: String
        let port: Int
    }

    static let defaultPort = 10_250

    let loops: EventLoops
    /// As of now: certificates are renewed while we run.
    let tls: @Sendable () throws -> ClientTLS
    let log: Logger

    /// Asks, and returns when the answer begins. Each call has a connection of its own: they are few and long.
    func open(
        _ address: Address, _ path: String, query: [(name: String, value: String)]
    ) async throws -> HTTPClientStream {
        let host = address.host.contains(":") ? "[\(address.host)]" : address.host
        let client = HTTPClient(loops: loops, tls: try tls(), log: log)
        return try await client.open(
            "GET", "https://\(host):\(address.port)\(PercentCoding.target(path: path, query: query))")
    }
}
