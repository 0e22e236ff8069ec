import KubeAPI

/// What the two ends of an exec or attach speak: found out by the request's headers.
enum RemoteCommandProtocol {
    /// Channels of a WebSocket.
    case webSocket(WebSocketHandshake, subprotocol: String?)
    /// Streams of SPDY/3.1.
    case spdy(version: String?)

    private static let spdyVersions = [
        "v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io",
    ]
    private static let subprotocols = ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"]

    /// Throws what to answer instead.
    static func negotiate(_ request: HTTPServerRequest) throws(StatusError) -> RemoteCommandProtocol {
        if WebSocketHandshake.isAsked(by: request) {
            let handshake = try WebSocketHandshake(request)
            if handshake.offers.isEmpty { return .webSocket(handshake, subprotocol: nil) }
            return .webSocket(handshake, subprotocol: try StreamUpgrade.choose(handshake.offers, of: subprotocols))
        }
        try StreamUpgrade.checkSPDY(request)
        let offers = StreamUpgrade.offers(request)
        return .spdy(version: offers.isEmpty ? nil : try StreamUpgrade.choose(offers, of: spdyVersions))
    }

    private var name: String? {
        switch self {
        case .webSocket(_, let subprotocol): subprotocol
        case .spdy(let version): version
        }
    }

    /// The client's side of a channel can end by itself.
    var knowsEnds: Bool { name?.hasPrefix("v5.") ?? false }
    /// The end is told as a Status, not as text.
    var tellsStatus: Bool { name?.hasPrefix("v4.") ?? false || knowsEnds }
    /// The client opens a stream for the sizes of its terminal.
    var resizes: Bool { tellsStatus || name?.hasPrefix("v3.") ?? false }

    var headers: [(String, String)] {
        switch self {
        case .webSocket(let handshake, let subprotocol): handshake.headers(choosing: subprotocol)
        case .spdy(let version): StreamUpgrade.spdyHeaders(version)
        }
    }
}

/// What all upgrades to streams have in common.
enum StreamUpgrade {
    static let spdy = "SPDY/3.1"
    private static let versionHeader = "X-Stream-Protocol-Version"

    static func spdyHeaders(_ version: String?) -> [(String, String)] {
        [("Upgrade", spdy)] + (version.map { [(versionHeader, $0)] } ?? [])
    }

    static func checkSPDY(_ request: HTTPServerRequest) throws(StatusError) {
        guard request.asksForUpgrade else { throw .badRequest("Upgrade request required") }
        guard request.header("upgrade")?.lowercased() == spdy.lowercased() else {
            throw .badRequest(
                "unable to upgrade: missing upgrade headers in request: \(request.header("upgrade") ?? "")")
        }
    }

    static func offers(_ request: HTTPServerRequest) -> [String] {
        request.headers(named: versionHeader).flatMap { HeaderList.tokens($0) }
    }

    /// The client's favourite of those that are spoken here.
    static func choose(_ offers: [String], of known: [String]) throws(StatusError) -> String {
        if let choice = offers.first(where: known.contains) { return choice }
        throw .badRequest(
            "unable to upgrade: unable to negotiate protocol: client supports [\(offers.joined(separator: " "))], "
                + "server accepts [\(known.joined(separator: " "))]")
    }
}
