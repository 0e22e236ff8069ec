import KubeAPI
import Logging

/// What handlers work with: one for all requests.
final class ServerContext: Sendable {
    let registry: Registry
    let health: HealthChecks
    let metrics = ServerMetrics()
    /// Decides who may do what; handlers ask it where one request does two things.
    var authorizer: Authorizer { registry.authorizer }
    /// Finds out who asks; reviews of tokens ask it too.
    let authenticator: Authenticator
    let openAPI: OpenAPIDocuments
    /// Knows tokens of service accounts; nil where none are issued.
    var tokens: TokenVerifier? { authenticator.serviceAccounts }
    /// How the logs of a node's pods are reached; nil where no node is served.
    let kubelets: KubeletClient?
    /// What nodes say that is used; nil where no node is served.
    let usage: UsageCollector?
    /// What `/logs/` shows; nil where there is no such folder.
    let logFiles: LogFiles?
    /// The versions before v1, and the pages of 2015.
    let servesOldVersions: Bool
    /// `192.0.2.2:6443`: what `/api` tells clients.
    let serverAddress: String
    let log: Logger

    init(
        registry: Registry, health: HealthChecks, authenticator: Authenticator = Authenticator(),
        kubelets: KubeletClient? = nil, logFiles: LogFiles? = nil, servesOldVersions: Bool = false,
        serverAddress: String = "", log: Logger
    ) {
        self.registry = registry
        self.health = health
        self.authenticator = authenticator
        openAPI = OpenAPIDocuments(registry.scheme)
        self.kubelets = kubelets
        usage = kubelets.map { kubelets in
            UsageCollector(log: log) { try await kubelets.read($0, "/metrics/resource") }
        }
        self.logFiles = logFiles
        self.servesOldVersions = servesOldVersions
        self.serverAddress = serverAddress
        self.log = log
    }
}
