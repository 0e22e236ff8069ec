import KubeAPI
import Logging

/// Fills Secrets of the type kubernetes.io/service-account-token with a token of the account that they name, and
/// removes them when that account goes (Kubernetes' service account token controller).
final class SecretTokens: Controller {
    private static let type = "kubernetes.io/service-account-token"
    private static let accountName = "kubernetes.io/service-account.name"
    private static let accountUID = "kubernetes.io/service-account.uid"

    private let client: any APIClient
    private let accounts: Informer
    private let secrets: Informer
    private let authority: @Sendable () throws -> [UInt8]
    private let key: @Sendable () throws -> TokenKey
    private let log: Logger
    /// Keys of Secrets.
    private let queue = WorkQueue<String>()

    init(
        client: any APIClient, informers: SharedInformers, authority: @escaping @Sendable () throws -> [UInt8],
        key: @escaping @Sendable () throws -> TokenKey, log: Logger
    ) {
        self.client = client
        self.authority = authority
        self.key = key
        self.log = log
        accounts = informers.serviceAccounts
        secrets = Informer(informers.client, .secrets, fieldSelector: "type=\(Self.type)", log: log)
    }

    func run() async {
        secrets.onEvent { [queue] event in
            if case .deleted = event { return }
            queue.add(event.object.objectKey)
        }
        accounts.onEvent { [secrets, queue] event in
            if case .updated = event { return }
            // These Secrets are few.
            let account = event.object
            for secret in secrets.all()
            where secret.namespace == account.namespace && secret.annotations[Self.accountName] == account.name {
                queue.add(secret.objectKey)
            }
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.secrets.run() }
            group.addTask {
                await self.accounts.waitForSync()
                await self.secrets.waitForSync()
                await self.queue.run { try await self.fill($0) }
            }
            await group.waitForAll()
        }
    }

    private func fill(_ key: String) async throws {
        guard let secret = secrets.get(key), !secret.isDeleting else { return }
        guard let account = try await account(of: secret) else { return try await remove(secret) }
        let wanted = [
            "token": try token(secret, account), "ca.crt": try authority(), "namespace": Array(secret.namespace.utf8),
        ]
        var filled = secret
        for (name, bytes) in wanted where (secret["data"][name].string ?? "").isEmpty || name == "ca.crt" {
            filled["data"][name] = .string(Base64.encode(bytes))
        }
        filled["metadata"]["annotations"][Self.accountUID] = .string(account.uid)
        if filled == secret { return }
        filled["apiVersion"] = "v1"
        filled["kind"] = "Secret"
        do {
            try await client.update(.secrets, filled)
        } catch let error as StatusError where error.isNotFound {
            return  // somebody has deleted it meanwhile
        }
    }

    private func token(_ secret: JSON, _ account: JSON) throws -> [UInt8] {
        let claims = SecretTokenClaims(
            namespace: secret.namespace, account: .init(name: account.name, uid: account.uid), secret: secret.name)
        return Array(try key().sign(claims.json).utf8)
    }

    /// The account that the Secret names, by its uid too where it names one.
    private func account(of secret: JSON) async throws -> JSON? {
        let name = secret.annotations[Self.accountName] ?? ""
        var account = accounts.get("\(secret.namespace)/\(name)")
        if account == nil, !name.isEmpty {
            // A Secret is not deleted because its account has not been heard of yet.
            do {
                account = try await client.get(.serviceAccounts, namespace: secret.namespace, name: name)
            } catch let error as StatusError where error.isNotFound {
                return nil
            }
        }
        guard let account else { return nil }
        let uid = secret.annotations[Self.accountUID] ?? ""
        return uid.isEmpty || uid == account.uid ? account : nil
    }

    private func remove(_ secret: JSON) async throws {
        do {
            try await client.delete(
                .secrets, namespace: secret.namespace, name: secret.name,
                options: ["preconditions": ["uid": .string(secret.uid)]])
            log.info(
                "removed the token of an account that is gone",
                metadata: ["secret": "\(secret.objectKey)"])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return  // it is gone, or another one by now
        }
    }
}
