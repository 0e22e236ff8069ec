import KubeAPI
import Synchronization

/// A token that a pod's `projected` volume asks for.
struct TokenRequest: Sendable, Hashable {
    let podUID: String
    let podName: String
    let namespace: String
    let serviceAccount: String
    /// Empty for the API server's own.
    let audience: String
    let expirationSeconds: Int

    /// The source's; its service account is the pod's.
    init(_ source: JSON, of pod: Pod) {
        podUID = pod.uid
        podName = pod.name
        namespace = pod.namespace
        serviceAccount = pod.serviceAccountName
        audience = source["audience"].stringValue
        expirationSeconds = source["expirationSeconds"].int ?? 3600
    }

    /// All that a volume asks for.
    static func all(of volume: Volume, in pod: Pod) -> [TokenRequest] {
        volume.json["projected"]["sources"].items.compactMap { source in
            source["serviceAccountToken"].isObject ? TokenRequest(source["serviceAccountToken"], of: pod) : nil
        }
    }

    fileprivate var body: JSON {
        var spec: JSON = [
            "expirationSeconds": .int(Int64(expirationSeconds)),
            "boundObjectRef": [
                "kind": "Pod", "apiVersion": "v1", "name": .string(podName), "uid": .string(podUID),
            ],
        ]
        spec["audiences"] = audience.isEmpty ? .array([]) : [.string(audience)]
        return ["kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec]
    }
}

/// Tokens of service accounts, bound to the pods that they are for. Each is asked for once and renewed in time: a pod is
/// told when its next one is due.
final class ServiceAccountTokens: Sendable {
    /// A token is renewed after that part of its life, and after a day at the latest (kubernetes pkg/kubelet/token).
    private static let usefulPart = 0.8
    private static let longestUse: Duration = .seconds(24 * 3600)
    /// After a failure: what the pod has from before, here or in its files, is still good.
    private static let retryPause: Duration = .seconds(30)

    private struct Known {
        var token: String
        var renewAt: ContinuousClock.Instant
        var expiresAt: ContinuousClock.Instant
    }
    private struct State {
        var tokens: [TokenRequest: Known] = [:]
        var timers: [TokenRequest: Task<Void, Never>] = [:]
    }

    private let client: any APIClient
    private let onDue: @Sendable (_ podUID: String) -> Void
    private let state = Mutex(State())

    init(client: any APIClient, onDue: @escaping @Sendable (_ podUID: String) -> Void) {
        self.client = client
        self.onDue = onDue
    }

    /// Throws where there is none and none can be had.
    func token(_ request: TokenRequest) async throws -> String {
        let now = ContinuousClock.now
        let known = state.withLock { $0.tokens[request] }
        if let known, now < known.renewAt { return known.token }
        do {
            let fresh = try await ask(request, now)
            state.withLock { $0.tokens[request] = fresh }
            schedule(request, at: fresh.renewAt)
            return fresh.token
        } catch {
            schedule(request, at: now + Self.retryPause)
            guard let known, now < known.expiresAt else { throw error }
            return known.token
        }
    }

    private func ask(_ request: TokenRequest, _ now: ContinuousClock.Instant) async throws -> Known {
        let answer = try await client.create(
            .serviceAccounts, namespace: request.namespace, name: request.serviceAccount, subresource: "token",
            request.body)
        guard let token = answer["status"]["token"].string.nonEmpty else {
            throw APIConnectionError("the API server's answer holds no token")
        }
        let end = Timestamp(answer["status"]["expirationTimestamp"])
        let life = max(.zero, end.map { $0 - Timestamp.now() } ?? .seconds(request.expirationSeconds))
        return Known(
            token: token, renewAt: now + min(life * Self.usefulPart, Self.longestUse), expiresAt: now + life)
    }

    private func schedule(_ request: TokenRequest, at instant: ContinuousClock.Instant) {
        let onDue = onDue
        let task = Task {
            // Cancelled when the pod goes.
            guard (try? await Task.sleep(until: instant, clock: .continuous)) != nil else { return }
            onDue(request.podUID)
        }
        state.withLock { state in
            defer { state.timers[request] = task }
            return state.timers[request]
        }?.cancel()
    }

    /// The pod is gone.
    func forget(podUID: String) {
        let timers = state.withLock { state in
            state.tokens = state.tokens.filter { $0.key.podUID != podUID }
            let mine = state.timers.filter { $0.key.podUID == podUID }
            for request in mine.keys { state.timers[request] = nil }
            return mine.values
        }
        for timer in timers { timer.cancel() }
    }

    func stop() {
        let timers = state.withLock { state in
            defer { state = State() }
            return Array(state.timers.values)
        }
        for timer in timers { timer.cancel() }
    }
}
