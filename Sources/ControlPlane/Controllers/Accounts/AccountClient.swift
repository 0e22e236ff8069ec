import KubeAPI
import Synchronization
import Transport

/// The API for a controller in a process of its own: as a service account of kube-system, by a token that is asked for
/// in time. The account is made where it is missing.
public final class AccountClient: APIClient {
    private static let namespace = "kube-system"
    private static let lifetimeSeconds: Int64 = 3600
    private static let useful: Duration = .seconds(48 * 60)

    private struct State {
        var connection: Task<HTTPAPIClient, any Error>?
        var renewAt = ContinuousClock.now
    }

    private let name: String
    private let base: any APIClient
    private let connect: @Sendable (_ token: String) throws -> HTTPAPIClient
    private let state = Mutex(State())

    /// - Parameters:
    ///   - name: of the account.
    ///   - base: who may ask for its tokens.
    ///   - connect: makes the connection that shows a token.
    public init(
        name: String, base: any APIClient, connect: @escaping @Sendable (_ token: String) throws -> HTTPAPIClient
    ) {
        self.name = name
        self.base = base
        self.connect = connect
    }

    public func send(_ request: APIRequest) async throws -> APIResponse {
        let response = try await current().send(request)
        // The account may have been made anew.
        guard response.status == 401 else { return response }
        state.withLock { $0.connection = nil }
        return try await current().send(request)
    }

    public func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await current().lines(request)
    }

    private func current() async throws -> HTTPAPIClient {
        let now = ContinuousClock.now
        let (connection, before) = state.withLock { state in
            if let known = state.connection, now < state.renewAt {
                return (known, Task<HTTPAPIClient, any Error>?.none)
            }
            let before = state.connection
            let task = Task { try await self.open() }
            state.connection = task
            state.renewAt = now + Self.useful
            return (task, before)
        }
        do {
            let client = try await connection.value
            if let before, let old = try? await before.value { old.shutdown() }  // one that failed holds nothing
            return client
        } catch {
            state.withLock { if $0.connection == connection { $0.connection = nil } }
            throw error
        }
    }

    private func open() async throws -> HTTPAPIClient {
        let answer: JSON
        do {
            answer = try await ask()
        } catch let error as StatusError where error.isNotFound {
            do {
                try await base.create(
                    .serviceAccounts, namespace: Self.namespace, ["metadata": ["name": .string(name)]])
            } catch let error as StatusError where error.isAlreadyExists {
                // Somebody was faster.
            }
            answer = try await ask()
        }
        return try connect(answer["status"]["token"].stringValue)
    }

    private func ask() async throws -> JSON {
        try await base.create(
            .serviceAccounts, namespace: Self.namespace, name: name, subresource: "token",
            [
                "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
                "spec": ["expirationSeconds": .int(Self.lifetimeSeconds)],
            ])
    }
}
