import Glibc
import KubeAPI
import Transport

/// What the port of a scheduler or controller manager in a process of its own shows: `/healthz`, `/livez` and `/readyz`
/// to everybody, `/metrics` to administrators and monitoring.
public struct ComponentPages: HTTPHandler {
    private static let monitoringGroup = "system:monitoring"
    private let isReady: @Sendable () -> Bool
    private let metrics: @Sendable () -> String
    private let startTime = time(nil)

    /// - Parameters:
    ///   - isReady: whether it works, or stands by to.
    ///   - metrics: its own, in Prometheus' text form; those of the process are added.
    public init(isReady: @escaping @Sendable () -> Bool, metrics: @escaping @Sendable () -> String) {
        self.isReady = isReady
        self.metrics = metrics
    }

    public func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        guard request.method == "GET" || request.method == "HEAD" else { return answer(.methodNotAllowed(), response) }
        switch request.path {
        case "/healthz", "/livez": text(response, 200, "ok")
        case "/readyz": isReady() ? text(response, 200, "ok") : text(response, 500, "its first lists are not in yet\n")
        default:
            if let refusal = refusal(request) { return answer(refusal, response) }
            guard request.path == "/metrics" else { return answer(.unknownPath, response) }
            let body = metrics() + ProcessMetrics.text(startTime: startTime)
            response.respond(
                status: 200, headers: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")],
                body: Array(body.utf8))
        }
    }

    private func refusal(_ request: HTTPServerRequest) -> StatusError? {
        var user = UserInfo.anonymous
        if let certificate = request.peer.certificate {
            guard certificate.notAfter > .now() else { return .unauthorized() }
            user = UserInfo(name: certificate.commonName, groups: certificate.organizations)
        } else if request.peer.certificateError != nil {
            return .unauthorized()
        }
        guard !user.isMaster, !user.groups.contains(Self.monitoringGroup) else { return nil }
        return Denial(AccessRequest(user: user, verb: request.method.lowercased(), path: request.path)).error
    }

    private func answer(_ error: StatusError, _ response: any HTTPResponder) {
        response.respond(
            status: error.code, headers: [("Content-Type", "application/json")], body: error.json.serialized())
    }

    private func text(_ response: any HTTPResponder, _ status: Int, _ text: String) {
        response.respond(
            status: status,
            headers: [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")],
            body: Array(text.utf8))
    }
}
