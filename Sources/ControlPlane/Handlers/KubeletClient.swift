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

    /// How long a node may take for an answer that is read as a whole.
    private static let patience = Duration.seconds(10)

    /// Reads a whole page of a node.
    func read(_ node: Node, _ path: String) async throws -> [UInt8] {
        guard let kubelet = local[node.name], let request = Self.asServer("GET", path, query: []) else {
            let client = HTTPClient(loops: loops, tls: try tls(node.name), log: log)
            let answer = try await client.send(
                "GET", "https://\(node.address.authority)\(path)", timeout: Self.patience)
            return try Self.body(answer.status, answer.body)
        }
        switch await withCheckedContinuation({ kubelet.handle(request, InProcessResponder($0)) }) {
        case .whole(let answer): return try Self.body(answer.status, answer.body)
        case .stream(let status, _, let stream):
            var body: [UInt8] = []
            while let frame = try await stream.next() { body += frame.bytes }
            return try Self.body(status, body)
        }
    }

    private static func body(_ status: Int, _ body: [UInt8]) throws(APIConnectionError) -> [UInt8] {
        guard status == 200 else {
            throw APIConnectionError(
                "the node answers \(status): \(String(decoding: body.prefix(200), as: UTF8.self))")
        }
        return body
    }

    /// Leaves the answer to the kubelet of this process, if the node is its own: as if this server had come over TLS.
    func passToLocal(
        _ method: String, _ node: Node, _ path: String, query: [(name: String, value: String)],
        _ responder: () -> any HTTPResponder
    ) -> Bool {
        guard let kubelet = local[node.name], let request = Self.asServer(method, path, query: query) else {
            return false
        }
        kubelet.handle(request, responder())
        return true
    }

    /// What a kubelet knows of this server by the certificate that it shows.
    private static let identity = PeerIdentity(
        address: "127.0.0.1", isTLS: true,
        certificate: ClientCertificate(
            commonName: "kube-apiserver-kubelet-client", organizations: ["system:masters"],
            notAfter: Timestamp(unixSeconds: Int64(Int32.max)), fingerprint: ""))

    private static func asServer(
        _ method: String, _ path: String, query: [(name: String, value: String)]
    ) -> HTTPServerRequest? {
        HTTPServerRequest(method: method, target: PercentCoding.target(path: path, query: query), peer: identity)
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
