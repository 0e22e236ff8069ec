import KubeAPI
import Transport

/// One request with the way to answer it. Answered exactly once, from any thread; counts itself.
final class Exchange: Sendable {
    let request: ServerRequest
    let info: RequestInfo
    private let responder: any HTTPResponder
    private let metrics: ServerMetrics
    private let started = WatchHub.now()

    init(request: ServerRequest, info: RequestInfo, responder: any HTTPResponder, metrics: ServerMetrics) {
        self.request = request
        self.info = info
        self.responder = responder
        self.metrics = metrics
    }

    static let json = "application/json"

    func send(
        _ body: [UInt8], status: Int = 200, contentType: String = Exchange.json, headers: [(String, String)] = []
    ) {
        metrics.finished(info, status: status, dryRun: isDryRun, started: started)
        var all = [("Content-Type", contentType)]
        // Clients and proxies must not keep what may have changed.
        if !headers.contains(where: { $0.0 == "Cache-Control" }) { all.append(("Cache-Control", "no-cache, private")) }
        all.append(contentsOf: headers)
        responder.respond(status: status, headers: all, body: request.method == "HEAD" ? [] : body)
    }

    func send(_ json: JSON, status: Int = 200, contentType: String = Exchange.json, headers: [(String, String)] = []) {
        var bytes = isPretty ? json.prettyPrinted() : json.serialized()
        if bytes.last != UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\n")) }
        send(bytes, status: status, contentType: contentType, headers: headers)
    }

    func send(text: String, status: Int = 200, headers: [(String, String)] = []) {
        send(Array(text.utf8), status: status, contentType: "text/plain; charset=utf-8", headers: headers)
    }

    /// Answers with one object in the form that the client wants.
    func send(
        _ object: StoredObject, of type: ResourceType, as representation: Representation, status: Int = 200,
        headers: [(String, String)] = []
    ) {
        var body: [UInt8] = []
        switch representation {
        case .object where isPretty:
            return send(object.tree, status: status, headers: headers)
        case .object:
            body.reserveCapacity(object.bytes.count + 48)
            object.write(into: &body)
        case .partialMetadata:
            object.writePartialMetadata(into: &body)
        case .table(let include):
            let table = TablePrinter.table(
                type: type, objects: [object.tree], metadata: ["resourceVersion": .string(String(object.revision))],
                include: TablePrinter.IncludedObject(include))
            return send(table, status: status, headers: headers)
        }
        body.append(UInt8(ascii: "\n"))
        send(body, status: status, headers: headers)
    }

    func fail(_ error: StatusError) {
        var headers: [(String, String)] = []
        if let seconds = error.details["retryAfterSeconds"].int { headers.append(("Retry-After", String(seconds))) }
        send(error.json, status: error.code, headers: headers)
    }

    /// Starts an answer of unknown length. A long-running one counts as a request when it begins.
    func stream(status: Int = 200, contentType: String, headers: [(String, String)] = []) -> any HTTPStream {
        metrics.finished(info, status: status, dryRun: false, started: nil)
        return responder.stream(
            status: status,
            headers: [("Content-Type", contentType), ("Cache-Control", "no-cache, private")] + headers)
    }

    /// Leaves the answer to somebody else: the request counts with that status, which is that of a changed protocol.
    func handOver(status: Int = 101) -> any HTTPResponder {
        metrics.finished(info, status: status, dryRun: false, started: nil)
        return responder
    }

    private var isDryRun: Bool { request.parameter("dryRun") == "All" }

    /// `?pretty=true`, for people with curl.
    private var isPretty: Bool { request.parameter("pretty").map { $0 == "true" || $0 == "1" } ?? false }
}
