import KubeAPI
import Logging
import Synchronization
import Transport

/// How the API server calls kubelets: over TLS, showing its own certificate and checking theirs. The kubelet of this
/// process, where there is one, is handed whole connections.
struct KubeletClient: Sendable {
    struct Address: Sendable {
        let host: String
        let port: Int

        var authority: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
    }

    struct Node: Sendable {
        let name: String
        let address: Address
    }

    static let defaultPort = 10_250

    let loops: EventLoops
    /// For the node of that name, which its certificate must have: addresses change, and whoever may write a node's
    /// status chooses them. As of now: certificates are renewed while we run.
    let tls: @Sendable (_ node: String) throws -> ClientTLS
    let log: Logger
    /// Kubelets of this process.
    let local = LocalKubelets()

    /// Asks, and returns when the answer begins. Each call has a connection of its own: they are few and long.
    func open(
        _ node: Node, _ path: String, query: [(name: String, value: String)]
    ) async throws -> HTTPClientStream {
        let client = HTTPClient(loops: loops, tls: try tls(node.name), log: log)
        return try await client.open(
            "GET", "https://\(node.address.authority)\(PercentCoding.target(path: path, query: query))")
    }

    /// Leaves the answer to a node: the request, which asks for another protocol, with another path. Returns at once.
    func handOver(
        _ request: HTTPServerRequest, to node: Node, _ path: String, query: [(name: String, value: String)],
        _ responder: any HTTPResponder
    ) {
        let target = PercentCoding.target(path: path, query: query)
        guard let kubelet = local[node.name] else {
            do {
                let relay = UpgradeRelay(loops: loops, tls: try tls(node.name))
                relay.pass(
                    request.method, host: node.address.host, port: node.address.port, target: target,
                    headers: Self.upgradeHeaders(request), to: responder)
            } catch {
                let refusal = StatusError.internalError("error dialing backend: \(error)")
                responder.respond(
                    status: refusal.code, headers: [("Content-Type", "application/json")],
                    body: refusal.json.serialized())
            }
            return
        }
        // As local as its own socket's peers; who the client is has been settled here.
        guard
            let passed = HTTPServerRequest(
                method: request.method, target: target, headers: Self.upgradeHeaders(request),
                peer: PeerIdentity(address: ""))
        else { return responder.respond(status: 400, headers: [], body: []) }
        kubelet.handle(passed, responder)
    }

    /// What the two ends settle by headers. Nothing else of the client's, its credentials least of all.
    private static func upgradeHeaders(_ request: HTTPServerRequest) -> [(String, String)] {
        let names: Set<String> = [
            "connection", "upgrade", "x-stream-protocol-version", "sec-websocket-key", "sec-websocket-version",
            "sec-websocket-protocol",
        ]
        return request.headers.filter { names.contains($0.name.lowercased()) }.map { ($0.name, $0.value) }
    }
}

/// The node APIs of kubelets in this process, by their nodes' names.
final class LocalKubelets: Sendable {
    private let handlers = Mutex<[String: any HTTPHandler]>([:])

    subscript(node: String) -> (any HTTPHandler)? {
        get { handlers.withLock { $0[node] } }
        set { handlers.withLock { $0[node] = newValue } }
    }
}
