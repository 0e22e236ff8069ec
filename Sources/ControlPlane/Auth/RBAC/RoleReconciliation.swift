import KubeAPI
import Logging

/// Makes the default roles and bindings, and at each start adds what is missing in them; what an administrator has
/// added stays. One that is annotated `rbac.authorization.kubernetes.io/autoupdate: "false"` is left alone.
struct RoleReconciliation: Sendable {
    let client: any APIClient
    let log: Logger

    func run() async throws {
        let found = try await known()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for role in DefaultRoles.all {
                let kind: ResourcePath = role.isClusterRole ? .clusterRoles : .roles
                group.addTask { try await write(role.role, kind, found) { Self.complete($0, by: role) } }
                guard let binding = role.binding else { continue }
                let bindings: ResourcePath = role.isClusterRole ? .clusterRoleBindings : .roleBindings
                group.addTask { try await write(binding, bindings, found) { Self.completeBinding($0, by: binding) } }
            }
            try await group.waitForAll()
        }
    }

    private typealias Known = [ResourcePath: [String: JSON]]

    private func known() async throws -> Known {
        var known: Known = [:]
        for kind: ResourcePath in [.clusterRoles, .clusterRoleBindings, .roles, .roleBindings] {
            let items = try await client.list(kind)["items"].items
            known[kind] = Dictionary(items.map { ($0.objectKey, $0) }, uniquingKeysWith: { first, _ in first })
        }
        return known
    }

    private func write(
        _ wanted: JSON, _ kind: ResourcePath, _ found: Known, _ complete: (JSON) -> JSON
    ) async throws {
        let namespace = wanted.namespace.isEmpty ? nil : wanted.namespace
        guard let present = found[kind]?[wanted.objectKey] else {
            do {
                try await client.create(kind, namespace: namespace, wanted)
            } catch let error as StatusError where error.isAlreadyExists {
                return  // somebody was faster: looked at when the server starts again
            }
            return
        }
        if present.annotations[DefaultRole.autoupdate] == "false" { return }
        // What a binding is for can't be changed: it is made anew.
        if !wanted["roleRef"].isNull, present["roleRef"] != wanted["roleRef"] {
            try await client.delete(kind, namespace: namespace, name: wanted.name)
            try await client.create(kind, namespace: namespace, wanted)
            return log.info("made a default binding anew", metadata: ["name": "\(wanted.name)"])
        }
        var object = complete(present)
        for field in ["labels", "annotations"] {
            for (key, value) in wanted["metadata"][field].object ?? JSONObject()
            where object["metadata"][field][key].isNull {
                object["metadata"][field][key] = value
            }
        }
        if object == present { return }
        object["apiVersion"] = wanted["apiVersion"]
        object["kind"] = wanted["kind"]
        try await client.update(kind, object)
        log.info("completed a default role", metadata: ["kind": "\(kind)", "name": "\(wanted.name)"])
    }

    private static func complete(_ present: JSON, by role: DefaultRole) -> JSON {
        var object = present
        let wanted = role.role
        if let aggregates = role.aggregates {
            // The controller writes the rules.
            let selectors = object["aggregationRule"]["clusterRoleSelectors"].items
            if !selectors.contains(where: { $0["matchLabels"][aggregates].string == "true" }) {
                object["aggregationRule"]["clusterRoleSelectors"] = .array(
                    selectors + wanted["aggregationRule"]["clusterRoleSelectors"].items)
            }
            return object
        }
        let held = PolicyRule.all(of: object)
        let missing = role.rules.filter { !PolicyRule.uncovered([$0], by: held).isEmpty }
        guard !missing.isEmpty else { return object }
        object["rules"] = .array(object["rules"].items + missing.map(\.json))
        return object
    }

    private static func completeBinding(_ present: JSON, by wanted: JSON) -> JSON {
        var object = present
        let subjects = object["subjects"].items
        let missing = wanted["subjects"].items.filter { !subjects.contains($0) }
        if !missing.isEmpty { object["subjects"] = .array(subjects + missing) }
        return object
    }
}
