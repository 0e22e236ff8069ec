/// One request to the API server, as it would stand on the wire, whatever carries it (HTTPS or a call in process).
public struct APIRequest: Sendable {
    public enum Method: String, Sendable {
        case get = "GET", put = "PUT", post = "POST", patch = "PATCH", delete = "DELETE", head = "HEAD", options =
            "OPTIONS"
    }

    public var method: Method
    /// The decoded path, without query: `/api/v1/namespaces/default/pods/web-1`.
    public var path: String
    /// Decoded query parameters in order of appearance.
    public var query: [(name: String, value: String)]
    public var contentType: String?
    public var accept: String?
    public var userAgent: String?
    public var body: [UInt8]

    public init(
        _ method: Method, _ path: String, query: [(name: String, value: String)] = [], contentType: String? = nil,
        accept: String? = nil, userAgent: String? = nil, body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.contentType = contentType
        self.accept = accept
        self.userAgent = userAgent
        self.body = body
    }

    /// The first query parameter of that name.
    public func parameter(_ name: String) -> String? { query.first { $0.name == name }?.value }
}

/// A complete answer.
public struct APIResponse: Sendable {
    public var status: Int
    public var contentType: String
    public var body: [UInt8]

    public init(status: Int, contentType: String = "application/json", body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}
