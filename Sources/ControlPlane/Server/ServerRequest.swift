import KubeAPI
import Transport

/// A request as handlers see it, whether it came by HTTP or from a component in this process.
struct ServerRequest: Sendable {
    var method: String
    /// Decoded, without query.
    var path: String
    var query: [(name: String, value: String)]
    var contentType: String
    var accept: String
    var userAgent: String
    var ifNoneMatch: String
    var body: [UInt8]
    var user: UserInfo
    /// Empty for a component in this process.
    var clientAddress: String
    /// The request as it came, where it asks for another protocol.
    var upgrade: HTTPServerRequest?

    init(_ request: HTTPServerRequest, user: UserInfo) {
        method = request.method
        path = request.path
        query = request.query
        contentType = request.header("content-type") ?? ""
        accept = request.headers(named: "accept").joined(separator: ",")
        userAgent = request.header("user-agent") ?? ""
        ifNoneMatch = request.header("if-none-match") ?? ""
        body = request.body
        self.user = user
        clientAddress = request.peer.address
        upgrade = request.asksForUpgrade ? request : nil
    }

    init(_ request: APIRequest, user: UserInfo) {
        method = request.method.rawValue
        path = request.path
        query = request.query
        contentType = request.contentType ?? ""
        accept = request.accept ?? ""
        userAgent = request.userAgent ?? user.componentName
        ifNoneMatch = ""
        body = request.body
        self.user = user
        clientAddress = ""
    }

    /// The first query parameter of that name; nil also where it is empty, as clients send unset options.
    func parameter(_ name: String) -> String? {
        guard let value = query.first(where: { $0.name == name })?.value, !value.isEmpty else { return nil }
        return value
    }

    /// A Boolean parameter as Kubernetes' own conversion reads it: present and neither `false` nor `0` is true.
    func flag(_ name: String) -> Bool {
        guard let value = query.first(where: { $0.name == name })?.value else { return false }
        return value != "0" && value.lowercased() != "false"
    }

    /// An integer parameter; 400 where it is not one.
    func integer(_ name: String) throws(StatusError) -> Int? {
        guard let text = parameter(name) else { return nil }
        guard let value = Int(text) else {
            throw .badRequest("strconv.ParseInt: parsing \(GoText.quoted(text)): invalid syntax")
        }
        return value
    }

    /// Whether an answer in JSON will do.
    var takesJSON: Bool {
        accept.isEmpty || accept == Exchange.json || MediaType.accepted(accept).contains { $0.takesJSON }
    }
}
