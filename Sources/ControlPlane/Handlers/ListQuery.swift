import KubeAPI

/// The options of a list or watch, with the words that Kubernetes has for wrong ones.
struct ListQuery: Sendable {
    enum Match: String, Sendable {
        case exact = "Exact"
        case notOlderThan = "NotOlderThan"
    }

    /// 0 for no limit.
    var limit = 0
    var position: ContinueToken?
    /// Nil where none is given; 0 is "any".
    var revision: Int64?
    var match: Match?
    /// Nil where the client does not say.
    var sendsInitialEvents: Bool?

    init(_ exchange: Exchange, isWatch: Bool) throws(StatusError) {
        let request = exchange.request
        revision = try Self.revision(request)
        if request.query.contains(where: { $0.name == "sendInitialEvents" }) {
            sendsInitialEvents = request.flag("sendInitialEvents")
        }
        let matchText = request.parameter("resourceVersionMatch")
        match = matchText.flatMap { Match(rawValue: $0) }
        let hasContinue = request.parameter("continue") != nil
        let problems =
            isWatch
            ? watchProblems(matchText, hasContinue: hasContinue) : listProblems(matchText, hasContinue: hasContinue)
        if !problems.isEmpty {
            throw .invalid(kind: "ListOptions", group: "meta.k8s.io", name: "", problems)
        }
        guard !isWatch else { return }
        limit = max(0, try request.integer("limit") ?? 0)
        if let text = request.parameter("continue") {
            if let revision, revision > 0 {
                throw .badRequest("specifying resource version is not allowed when using continue")
            }
            position = try ContinueToken(parsing: text)
        }
    }

    private func listProblems(_ match: String?, hasContinue: Bool) -> [FieldError] {
        let path = "resourceVersionMatch"
        var problems: [FieldError] = []
        if let match {
            if revision == nil {
                problems.append(.forbidden(path, "\(path) is forbidden unless resourceVersion is provided"))
            }
            if hasContinue { problems.append(.forbidden(path, "\(path) is forbidden when continue is provided")) }
            if self.match == nil {
                problems.append(.notSupported(path, .string(match), ["Exact", "NotOlderThan", ""]))
            }
            if self.match == .exact, revision == 0 {
                problems.append(.forbidden(path, "\(path) \"exact\" is forbidden for resourceVersion \"0\""))
            }
        }
        if sendsInitialEvents != nil {
            problems.append(.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
        }
        return problems
    }

    private func watchProblems(_ match: String?, hasContinue: Bool) -> [FieldError] {
        let path = "resourceVersionMatch"
        var problems: [FieldError] = []
        if sendsInitialEvents != nil, self.match != .notOlderThan {
            problems.append(.forbidden(path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
        }
        if let match {
            if sendsInitialEvents == nil {
                problems.append(
                    .forbidden(path, "\(path) is forbidden for watch unless sendInitialEvents is provided"))
            }
            if self.match != .notOlderThan {
                problems.append(.notSupported(path, .string(match), ["NotOlderThan"]))
            }
            if hasContinue { problems.append(.forbidden(path, "\(path) is forbidden when continue is provided")) }
        }
        return problems
    }

    /// The `resourceVersion` of the query; nil where it is not set.
    static func revision(_ request: ServerRequest) throws(StatusError) -> Int64? {
        guard let text = request.parameter("resourceVersion") else { return nil }
        guard let value = Int64(text), value >= 0, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw .badRequest(
                "resourceVersion: Invalid value: \(GoText.quoted(text)): strconv.ParseUint: parsing "
                    + "\(GoText.quoted(text)): invalid syntax")
        }
        return value
    }

    /// Nothing is waited for: this server knows every revision that it has ever given out, so that a larger one comes
    /// from elsewhere (another cluster, a store from before a restore). Clients list anew on this answer.
    static func checkReached(_ revision: Int64, _ current: Int64) throws(StatusError) {
        guard revision > current else { return }
        throw StatusError(
            code: 504, reason: "Timeout",
            message: "Timeout: Too large resource version: \(revision), current: \(current)",
            details: [
                "causes": [["reason": "ResourceVersionTooLarge", "message": "Too large resource version"]],
                "retryAfterSeconds": 1,
            ])
    }
}
