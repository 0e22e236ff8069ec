import KubeAPI

/// Decides who may do what: system:masters everything, nodes what they need (`NodeAuthorizer`), everybody what the
/// roles that are bound to them allow (`RBACIndex`).
final class Authorizer: Sendable {
    enum Decision: Sendable {
        case allow
        /// With the error to answer (403), in Kubernetes' words.
        case deny(StatusError)
    }

    let rbac = RBACIndex()
    let graph = NodeGraph()
    private let nodes: NodeAuthorizer

    init() { nodes = NodeAuthorizer(graph: graph) }

    func authorize(_ request: AccessRequest) -> Decision {
        if request.user.isMaster { return .allow }
        let opinion = nodes.decide(request)
        if opinion == .allow { return .allow }
        let verdict = rbac.decide(request)
        if verdict.grant != nil { return .allow }
        return .deny(Denial(request, reason: Self.reason(opinion, verdict)).error)
    }

    func check(_ request: AccessRequest) throws(StatusError) {
        if case .deny(let error) = authorize(request) { throw error }
    }

    func allows(_ request: AccessRequest) -> Bool {
        if case .allow = authorize(request) { return true }
        return false
    }

    /// What an access review tells: whether, and why.
    func review(_ request: AccessRequest) -> (isAllowed: Bool, reason: String) {
        if request.user.isMaster { return (true, "") }
        let opinion = nodes.decide(request)
        if opinion == .allow { return (true, "") }
        let verdict = rbac.decide(request)
        if let grant = verdict.grant { return (true, grant.reason) }
        return (false, Self.reason(opinion, verdict))
    }

    /// What speaks against a request beside that nothing speaks for it.
    private static func reason(_ opinion: NodeAuthorizer.Opinion, _ verdict: RBACIndex.Verdict) -> String {
        var reasons: [String] = []
        if case .none(let reason) = opinion, !reason.isEmpty { reasons.append(reason) }
        var seen: Set<String> = []
        let errors = verdict.errors.filter { seen.insert($0).inserted }
        if errors.count == 1 { reasons.append("RBAC: \(errors[0])") }
        if errors.count > 1 { reasons.append("RBAC: [\(errors.joined(separator: ", "))]") }
        return reasons.joined(separator: "\n")
    }
}
