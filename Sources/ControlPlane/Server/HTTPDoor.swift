import KubeAPI
import Transport

/// Where requests come in from sockets: finds out who asks, and hands the request to the router.
struct HTTPDoor: HTTPHandler {
    enum Admission: Sendable {
        /// By certificate or token.
        case authenticated(Authenticator)
        /// The loopback port without credentials.
        case insecure(InsecurePortPolicy)
    }

    let router: Router
    let admission: Admission

    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        let found =
            switch admission {
            case .authenticated(let authenticator): authenticator.authenticate(request)
            case .insecure(let policy): policy.admit(request)
            }
        let authorizer = router.context.authorizer
        let user = found.flatMap { user in
            Result { () throws(StatusError) in try Impersonation.apply(request, by: user, authorizer) }
        }
        switch user {
        case .success(let user):
            router.serve(ServerRequest(request, user: user), response)
        case .failure(let error):
            // Answered as any other request is, and counted.
            Exchange(
                request: ServerRequest(request, user: .anonymous),
                info: RequestInfo(method: request.method, path: request.path, isWatch: false), responder: response,
                metrics: router.context.metrics
            ).fail(error)
        }
    }
}
