import KubeAPI
import Transport

/// Requests about one repository to the places where it may be had, as whoever may be shown there.
final class RegistrySession: Sendable {
    /// A place and who asks there.
    struct Way: Sendable, Hashable {
        var endpoint: RegistryEndpoint
        var credential: RegistryCredential?
    }

    /// From the request to the answer's head.
    private static let headTimeout = Duration.seconds(30)
    private static let redirectLimit = 10
    /// Times that a request is made again at once, where the registry asks for it or has broken off.
    private static let retryLimit = 3
    /// A registry that wants a longer pause is asked again by the next try of the pull.
    private static let pauseLimit = Duration.seconds(20)
    /// Of an answer that is no success.
    private static let refusalLimit = 64 << 10

    let repository: String
    let ways: [Way]
    private let config: RegistriesConfig
    private let connections: RegistryConnections
    private let authorizer: RegistryAuthorizer

    init(
        _ reference: ImageReference, keyring: PullKeyring, config: RegistriesConfig, connections: RegistryConnections,
        authorizer: RegistryAuthorizer
    ) {
        repository = reference.path
        self.config = config
        self.connections = connections
        self.authorizer = authorizer
        ways = config.endpoints(for: reference.domain).flatMap { endpoint -> [Way] in
            var credentials = keyring.credentials(authority: endpoint.authority, repository: reference.path)
            if let own = endpoint.credential, !credentials.contains(own) { credentials.append(own) }
            guard !credentials.isEmpty else { return [Way(endpoint: endpoint)] }
            return credentials.map { Way(endpoint: endpoint, credential: $0) }
        }
    }

    /// Tries way after way until one leads there. What is thrown is what the image's own registry says, which is asked
    /// last.
    func first<Value: Sendable>(
        of ways: [Way], _ body: (Way) async throws -> Value
    ) async throws -> (Value, Way) {
        var failure = RegistryError(.failed, "there is no registry to ask")
        for way in ways {
            do {
                return (try await body(way), way)
            } catch let error as RegistryError {
                failure = error
            }
        }
        throw failure
    }

    /// Sends a request and returns a successful answer (200, 206).
    /// - Parameter rest: what follows the repository: `manifests/latest`.
    /// - Throws: `RegistryError`, `CancellationError`.
    func open(
        _ method: String, _ rest: String, by way: Way, headers: [(String, String)] = []
    ) async throws -> HTTPClientStream {
        let url = way.endpoint.url(repository, rest)
        var retries = 0
        while true {
            try Task.checkCancellation()
            do {
                let answer = try await answer(method, url, by: way, headers)
                if (200...299).contains(answer.status) { return answer }
                let body = await Self.refusal(answer)
                var error = RegistryError(status: answer.status, method, url, body: body)
                if error.kind == .denied {
                    error = RegistryError(.denied, "\(RegistryAuthorizer.denied): \(error)")
                }
                guard retries < Self.retryLimit, let pause = Self.pause(answer, retries) else { throw error }
                retries += 1
                try await Task.sleep(for: pause)
            } catch let error as TransportError {
                // A registry that is away is not waited for here.
                guard error.code == .connectionLost, retries < Self.retryLimit else {
                    throw RegistryError(error, method, url)
                }
                retries += 1
                try await Task.sleep(for: .milliseconds(100 << retries))
            }
        }
    }

    /// How long until the request is worth another try; nil where it is none.
    private static func pause(_ answer: HTTPClientStream, _ retries: Int) -> Duration? {
        switch answer.status {
        case 429, 503:
            // In seconds; a date is for those who have time.
            guard let seconds = answer.header("retry-after").flatMap({ Int($0) }), seconds >= 0 else { return nil }
            let pause = Duration.seconds(seconds)
            return pause <= pauseLimit ? pause : nil
        case 500, 502, 504: return .milliseconds(200 << retries)
        default: return nil
        }
    }

    private static func refusal(_ answer: HTTPClientStream) async -> [UInt8] {
        var body: [UInt8] = []
        do {
            for try await chunk in answer.body {
                body += chunk
                if body.count >= refusalLimit { break }
            }
        } catch {
            // What there is of it has to do.
        }
        return body
    }

    /// Follows redirects, and answers a challenge once.
    private func answer(
        _ method: String, _ url: String, by way: Way, _ headers: [(String, String)]
    ) async throws -> HTTPClientStream {
        let key = RegistryAuthorizer.Key(
            endpoint: way.endpoint.authority, repository: repository, credential: way.credential)
        var header = authorizer.header(key)
        var isChallenged = false
        while true {
            let answer = try await follow(method, url, way.endpoint, headers, authorization: header)
            guard answer.status == 401, !isChallenged else {
                if answer.status == 401 { authorizer.forget(key) }
                return answer
            }
            isChallenged = true
            authorizer.forget(key)
            let challenges = AuthChallenge.parse(
                answer.headers.filter { $0.name.lowercased() == "www-authenticate" }.map(\.value))
            guard !challenges.isEmpty else { return answer }
            header = try await authorizer.authorize(challenges, key, at: way.endpoint, config: config)
        }
    }

    private func follow(
        _ method: String, _ url: String, _ endpoint: RegistryEndpoint, _ headers: [(String, String)],
        authorization: String?
    ) async throws -> HTTPClientStream {
        var url = url
        var endpoint = endpoint
        var authorization = authorization
        for _ in 0...Self.redirectLimit {
            var all = headers
            all.append(("User-Agent", "swiftlet/\(KubernetesVersion.gitVersion)"))
            if let authorization { all.append(("Authorization", authorization)) }
            let answer = try await connections.client(for: endpoint)
                .open(method, url, headers: all, timeout: Self.headTimeout)
            guard [301, 302, 303, 307, 308].contains(answer.status), let location = answer.header("location") else {
                return answer
            }
            let next = Self.resolve(location, against: url)
            guard let target = RegistryEndpoint.split(next), target.scheme == "https" || endpoint.scheme == "http"
            else {
                throw RegistryError(.failed, "\(url) redirects to \"\(location.prefix(200))\", which is not followed")
            }
            if target.authority != endpoint.authority || target.scheme != endpoint.scheme {
                // Storage behind a registry is signed for by the URL; what was shown to the registry is not for it.
                authorization = nil
                endpoint = config.endpoint(scheme: target.scheme, authority: target.authority)
            }
            url = "\(target.scheme)://\(target.authority)\(target.rest)"
        }
        throw RegistryError(.failed, "stopped after \(Self.redirectLimit) redirects at \(url)")
    }

    /// A location as it may stand in an answer: absolute, of the host, or beside the page.
    static func resolve(_ location: String, against url: String) -> String {
        if location.contains("://") { return location }
        guard let base = RegistryEndpoint.split(url) else { return location }
        if location.hasPrefix("//") { return "\(base.scheme):\(location)" }
        let origin = "\(base.scheme)://\(base.authority)"
        if location.hasPrefix("/") { return origin + location }
        let path = base.rest.prefix { $0 != "?" }
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? "/"
        return origin + folder + location
    }
}
