import KubeAPI
import Transport

/// `httpGet`, by the rules of Kubernetes' prober (pkg/probe/http): 200 to 399 is healthy, redirects are followed on the
/// same host and otherwise taken for what they are, certificates are not looked at.
struct HTTPProbe {
    private let dialer: Dialer

    init(_ dialer: Dialer) { self.dialer = dialer }

    private static let redirectLimit = 10

    private enum Answer {
        case answer(DialAnswer)
        /// With Go's words.
        case failed(String, DialError?)
    }

    func probe(_ action: HTTPGetAction, of target: HealthTarget, timeout: Duration) async throws(HealthActionError)
        -> ProbeOutcome
    {
        let url = try action.url(of: target.container, podIP: target.podIP)
        switch await get(action, url, agent: "probe", timeout: timeout) {
        case .failed(let words, let error):
            // Of a body that breaks off the container's state can't be told.
            if error?.stage == .body { return .error(state: "failure", message: words) }
            return .failure(words, nobodyListens: error?.isRefusal ?? false)
        case .answer(let answer):
            switch answer.status {
            case 200..<300: return .success
            case 300..<400:
                return .warning(
                    "Probe terminated redirects, Response body: \(String(decoding: answer.body, as: UTF8.self))")
            default: return .failure("HTTP probe failed with statuscode: \(answer.status)")
            }
        }
    }

    /// What a hook's server answers does not matter; that it answers does.
    /// - Returns: the server, where it was asked by HTTPS and only knows HTTP; else nil.
    @discardableResult
    func run(hook action: HTTPGetAction, of target: HealthTarget) async throws(HealthActionError) -> String? {
        let url = try action.url(of: target.container, podIP: target.podIP)
        // No end of its own: the container's start or end bounds it.
        let timeout = Duration.seconds(86_400)
        guard case .failed(let words, _) = await get(action, url, agent: "lifecycle", timeout: timeout) else {
            return nil
        }
        // Kubernetes once spoke plain HTTP whatever the scheme, and manifests rely on it.
        guard url.scheme == "https", words.hasSuffix("http: server gave HTTP response to HTTPS client") else {
            throw HealthActionError(words)
        }
        var plain = action
        plain.headers.removeAll { $0.name.lowercased() == "authorization" }
        var plainURL = url
        plainURL.scheme = "http"
        if case .failed(let words, _) = await get(plain, plainURL, agent: "lifecycle", timeout: timeout) {
            throw HealthActionError(words)
        }
        return url.address
    }

    private func get(_ action: HTTPGetAction, _ first: ProbeURL, agent: String, timeout: Duration) async -> Answer {
        let agent = "kube-\(agent)/\(KubernetesVersion.major).\(KubernetesVersion.minor)"
        let deadline = ContinuousClock.now + timeout
        var url = first
        var action = action
        for _ in 0...Self.redirectLimit {
            let left = deadline - .now
            let answer: DialAnswer
            do throws(DialError) {
                guard left > .zero else { throw DialError(.answer, .timedOut) }
                answer = try await dialer.get(
                    action.request(to: url, agent: agent), bodyLimit: NodeHealthRunner.bodyLimit, timeout: left)
            } catch {
                return .failed(GoErrors.get(url, error), error)
            }
            guard [301, 302, 303, 307, 308].contains(answer.status), let location = answer.header("location"),
                !location.isEmpty
            else { return .answer(answer) }
            guard let next = url.following(location) else {
                return .failed("Get \(GoText.quoted(location)): unsupported protocol scheme \"\"", nil)
            }
            // Whoever sends the prober to others does not decide what they are asked.
            if next.host.lowercased() != first.host.lowercased() { return .answer(answer) }
            url = next
            // A name that was asked for stays with the host that was asked first.
            if !location.hasPrefix("/") || location.hasPrefix("//") {
                action.headers.removeAll { $0.name.lowercased() == "host" }
            }
        }
        return .failed("Get \"\(url.text)\": stopped after \(Self.redirectLimit) redirects", nil)
    }
}
