import KubeAPI
import Logging

/// Writes the rules of the cluster roles that are made of others, chosen by labels.
final class ClusterRoleAggregation: Controller {
    private let client: any APIClient
    private let roles: Informer
    private let queue = WorkQueue<String>()

    init(client: any APIClient, informers: SharedInformers, log: Logger) {
        self.client = client
        roles = Informer(informers.client, .clusterRoles, log: log)
    }

    func run() async {
        roles.onEvent { [roles, queue] _ in
            // Any role may be a part of any of these, which are few.
            for role in roles.all() where role["aggregationRule"].isObject { queue.add(role.name) }
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.roles.run() }
            group.addTask {
                await self.roles.waitForSync()
                await self.queue.run { try await self.aggregate($0) }
            }
            await group.waitForAll()
        }
    }

    private func aggregate(_ name: String) async throws {
        guard var role = roles.get(name), role["aggregationRule"].isObject, !role.isDeleting else { return }
        let selectors = role["aggregationRule"]["clusterRoleSelectors"].items.map { LabelSelector($0) }
        let parts = roles.all().filter { part in
            part.name != name && selectors.contains { $0.matches(part.labels) }
        }
        let rules = DefaultRoles.aggregate(parts.map { (name: $0.name, rules: PolicyRule.all(of: $0)) })
        if rules == PolicyRule.all(of: role) { return }
        role["apiVersion"] = "rbac.authorization.k8s.io/v1"
        role["kind"] = "ClusterRole"
        role["rules"] = .array(rules.map(\.json))
        do {
            try await client.update(.clusterRoles, role)
        } catch let error as StatusError where error.isNotFound {
            return
        }
    }
}
