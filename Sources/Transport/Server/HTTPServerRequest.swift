import NIOHTTP1

/// A complete request: its body has arrived.
public struct HTTPServerRequest: Sendable {
    public var method: String
    /// Percent-decoded, without query; begins with `/` (or is `*` for `OPTIONS *`).
    public var path: String
    /// As on the wire, without query.
    public var rawPath: String
    /// As on the wire, without the question mark; empty where there is none.
    public var rawQuery: String
    /// Decoded, in order.
    public var query: [(name: String, value: String)]
    public var body: [UInt8]
    public var peer: PeerIdentity
    /// The client wants to speak another protocol afterwards (`Connection: Upgrade`); which, `Upgrade` says.
    public private(set) var asksForUpgrade = false
    let fields: HTTPHeaders

    /// For requests that do not come from a socket (tests). `target` is path and query as on the wire; nil where it is
    /// malformed.
    public init?(
        method: String, target: String, headers: [(String, String)] = [], body: [UInt8] = [],
        peer: PeerIdentity = PeerIdentity(address: "127.0.0.1")
    ) {
        guard let target = RequestTarget(target) else { return nil }
        let fields = HTTPHeaders(headers)
        self.init(
            method: method, target: target, fields: fields, body: body, peer: peer,
            asksForUpgrade: Self.asksForUpgrade(fields))
    }

    init(
        method: String, target: RequestTarget, fields: HTTPHeaders, body: [UInt8], peer: PeerIdentity,
        asksForUpgrade: Bool
    ) {
        self.asksForUpgrade = asksForUpgrade
        self.method = method
        path = target.path
        rawPath = target.rawPath
        rawQuery = target.rawQuery
        query = target.query
        self.fields = fields
        self.body = body
        self.peer = peer
    }

    /// As the parser has it, which ends with such a request.
    static func asksForUpgrade(_ fields: HTTPHeaders) -> Bool {
        fields[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
            && fields.contains(name: "upgrade")
    }

    /// The first value of that header; names ignore case.
    public func header(_ name: String) -> String? { fields.first(name: name) }

    /// All values of that header, one per line of the request.
    public func headers(named name: String) -> [String] { fields[name] }

    /// All headers in order.
    public var headers: [(name: String, value: String)] { fields.map { ($0.name, $0.value) } }

    /// The first query parameter of that name.
    public func parameter(_ name: String) -> String? { query.first { $0.name == name }?.value }
}
