import KubeAPI
import Synchronization

/// All roles and bindings, found by whom they are for. Fed by the store with every change before its author is
/// answered, so that no request reads the objects themselves: a decision costs a look-up for the user and for each of
/// its groups, and the rules of the roles that are bound to them.
final class RBACIndex: Sendable {
    enum Kind: Sendable { case role, roleBinding, clusterRole, clusterRoleBinding }

    /// What a request is allowed by.
    struct Grant: Sendable {
        let binding: RoleBinding
        let subject: RoleBinding.Subject
        var reason: String { binding.reason(for: subject) }
    }
    struct Verdict: Sendable {
        var grant: Grant?
        /// Roles that are bound and not there.
        var errors: [String] = []
    }

    private struct Bindings {
        var byName: [String: RoleBinding] = [:]
        var bySubject: [RoleBinding.Subject: [RoleBinding]] = [:]

        mutating func remove(_ name: String) {
            guard let binding = byName.removeValue(forKey: name) else { return }
            for (subject, _) in binding.subjects {
                bySubject[subject]?.removeAll { $0 === binding }
                if bySubject[subject]?.isEmpty == true { bySubject[subject] = nil }
            }
        }

        mutating func insert(_ binding: RoleBinding) {
            remove(binding.name)
            byName[binding.name] = binding
            for subject in Set(binding.subjects.map(\.subject)) { bySubject[subject, default: []].append(binding) }
        }
    }

    private struct State {
        var clusterRoles: [String: [PolicyRule]] = [:]
        /// By `namespace/name`.
        var roles: [String: [PolicyRule]] = [:]
        var clusterBindings = Bindings()
        var bindings: [String: Bindings] = [:]

        func rules(of binding: RoleBinding) -> [PolicyRule]? {
            binding.roleKind == "ClusterRole"
                ? clusterRoles[binding.roleName] : roles["\(binding.namespace)/\(binding.roleName)"]
        }

        /// Calls `body` with every binding that gives the user something in the namespace, until it says stop.
        func visit(
            _ user: UserInfo, _ namespace: String, _ body: (RoleBinding, RoleBinding.Subject) -> Bool
        ) {
            func visit(_ bindings: Bindings) -> Bool {
                if let found = bindings.bySubject[.user(user.name)] {
                    for binding in found where !body(binding, .user(user.name)) { return false }
                }
                for group in user.groups {
                    guard let found = bindings.bySubject[.group(group)] else { continue }
                    for binding in found where !body(binding, .group(group)) { return false }
                }
                return true
            }
            guard visit(clusterBindings), !namespace.isEmpty, let own = bindings[namespace] else { return }
            _ = visit(own)
        }
    }

    private let state = Mutex(State())

    // MARK: - Questions

    /// Whether the roles that are bound to the user allow the request.
    func decide(_ request: AccessRequest) -> Verdict {
        state.withLock { state in
            var verdict = Verdict()
            state.visit(request.user, request.namespace) { binding, subject in
                guard let rules = state.rules(of: binding) else {
                    verdict.errors.append(Self.missing(binding))
                    return true
                }
                for rule in rules where rule.allows(request) {
                    verdict.grant = Grant(binding: binding, subject: subject)
                    return false
                }
                return true
            }
            return verdict
        }
    }

    /// All rules that hold for the user in the namespace (outside namespaces where it is empty).
    func rules(for user: UserInfo, in namespace: String) -> (rules: [PolicyRule], errors: [String]) {
        state.withLock { state in
            var result: (rules: [PolicyRule], errors: [String]) = ([], [])
            state.visit(user, namespace) { binding, _ in
                if let rules = state.rules(of: binding) {
                    result.rules += rules
                } else {
                    result.errors.append(Self.missing(binding))
                }
                return true
            }
            return result
        }
    }

    /// Nil where there is no such role.
    func rules(ofRole kind: String, _ name: String, in namespace: String) -> [PolicyRule]? {
        state.withLock { kind == "ClusterRole" ? $0.clusterRoles[name] : $0.roles["\(namespace)/\(name)"] }
    }

    private static func missing(_ binding: RoleBinding) -> String {
        "\(binding.roleKind.lowercased()).rbac.authorization.k8s.io \(GoText.quoted(binding.roleName)) not found"
    }

    // MARK: - Changes

    /// Takes in an object as it is now; nil for one that is gone. `key`: `namespace/name`, or `name`.
    func apply(_ kind: Kind, key: String, _ object: JSON?) {
        switch kind {
        case .clusterRole:
            let rules = object.map(PolicyRule.all)
            state.withLock { $0.clusterRoles[key] = rules }
        case .role:
            let rules = object.map(PolicyRule.all)
            state.withLock { $0.roles[key] = rules }
        case .clusterRoleBinding:
            let binding = object.map(RoleBinding.init)
            state.withLock { state in
                if let binding { state.clusterBindings.insert(binding) } else { state.clusterBindings.remove(key) }
            }
        case .roleBinding:
            let binding = object.map(RoleBinding.init)
            let parts = key.split(separator: "/", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { return }
            state.withLock { state in
                if let binding {
                    state.bindings[parts[0], default: Bindings()].insert(binding)
                } else {
                    state.bindings[parts[0]]?.remove(parts[1])
                    if state.bindings[parts[0]]?.byName.isEmpty == true { state.bindings[parts[0]] = nil }
                }
            }
        }
    }
}
