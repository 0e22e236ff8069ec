import KubeAPI
import Synchronization

/// The named checks behind `/healthz`, `/livez`, `/readyz` and `/validate`. Components add theirs.
public final class HealthChecks: Sendable {
    /// Nil when all is well, else why not.
    public typealias Check = @Sendable () -> String?

    public enum Kind: Sendable {
        /// Part of liveness and readiness.
        case live
        /// Part of readiness alone.
        case ready
        /// A component, shown by `/validate` alone: its illness must not get the API server restarted.
        case component
    }

    private let checks = Mutex<[(name: String, kind: Kind, check: Check)]>([])

    public init() {}

    /// Adds a check, in place of an earlier one of that name.
    public func add(_ name: String, _ kind: Kind, _ check: @escaping Check) {
        checks.withLock { checks in
            checks.removeAll { $0.name == name }
            checks.append((name, kind, check))
        }
    }

    /// The result of every check of those kinds, in order of addition; nil is well.
    public func results(_ kinds: [Kind]) -> [(name: String, failure: String?)] {
        let selected = checks.withLock { $0.filter { kinds.contains($0.kind) } }
        return selected.map { ($0.name, $0.check()) }
    }

    private static func kinds(_ endpoint: String) -> [Kind] { endpoint == "livez" ? [.live] : [.live, .ready] }

    /// The checks behind an endpoint.
    func names(_ endpoint: String) -> [String] {
        let kinds = Self.kinds(endpoint)
        return checks.withLock { $0.filter { kinds.contains($0.kind) }.map(\.name) }
    }

    /// Answers `/healthz`, `/livez`, `/readyz` and one check below them.
    func answer(_ exchange: Exchange, endpoint: String, check name: String?) {
        let kinds = Self.kinds(endpoint)
        let excluded = Set(exchange.request.query.filter { $0.name == "exclude" }.map(\.value))
        var results = results(kinds)
        if let name {
            results = results.filter { $0.name == name }
            if results.isEmpty { return exchange.fail(.unknownPath) }
            if let failure = results[0].failure {
                return exchange.send(text: "internal server error: \(failure)\n", status: 500)
            }
            return exchange.send(text: "ok")
        }
        let unknown = excluded.subtracting(results.map(\.name))
        let failed = results.filter { $0.failure != nil && !excluded.contains($0.name) }
        let isVerbose = exchange.request.query.contains { $0.name == "verbose" }
        if failed.isEmpty && !isVerbose { return exchange.send(text: "ok") }
        var text = ""
        for (name, failure) in results {
            if excluded.contains(name) {
                text += "[+]\(name) excluded: ok\n"
            } else if failure != nil {
                // The reason may hold what the anonymous must not read; it is in the log.
                text += "[-]\(name) failed: reason withheld\n"
            } else {
                text += "[+]\(name) ok\n"
            }
        }
        if !unknown.isEmpty {
            text +=
                "warn: some health checks cannot be excluded: no matches for "
                + unknown.sorted().map { "\"\($0)\"" }.joined(separator: ", ") + "\n"
        }
        text += "\(endpoint) check \(failed.isEmpty ? "passed" : "failed")\n"
        exchange.send(text: text, status: failed.isEmpty ? 200 : 500)
    }

    /// `/validate`: every check in the form of the old component statuses.
    func validate(_ exchange: Exchange) {
        let results = results([.live, .ready, .component])
        let items = results.map { name, failure in
            [
                "name": .string(name), "healthy": .bool(failure == nil), "message": .string(failure ?? "ok"),
            ] as JSON
        }
        let isHealthy = results.allSatisfy { $0.failure == nil }
        exchange.send(["healthy": .bool(isHealthy), "components": .array(items)], status: isHealthy ? 200 : 500)
    }
}

extension StatusError {
    /// The text of a path that leads nowhere.
    static let unknownPath = StatusError(
        code: 404, reason: "NotFound", message: "the server could not find the requested resource", details: [:])
}
