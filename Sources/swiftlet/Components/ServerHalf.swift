import ControlPlane
import KubeAPI
import Logging
import Transport

/// The half of the control plane: the API server, and in the same process scheduler and controllers where they are
/// wanted.
final class ServerHalf: Sendable {
    let server: APIServer
    let pki: ClusterPKI
    private let scheduler: Scheduling?
    private let controllers: Controlling?

    /// Where the server stands.
    struct Place {
        var nodeName: String
        /// The machine's own, the one at which the API is reached first.
        var addresses: [IPAddress]
        /// One of each family.
        var clusterRanges: [CIDR]
        /// Of the first family.
        var serviceRange: CIDR
        var dns: ClusterDNS?
    }

    /// Opens the store and serves the API. Throws what names operation, subject and cause.
    /// - Parameters:
    ///   - hasControllers: scheduler and controllers run here, too.
    ///   - servesComponents: others run in processes of their own, and find their credentials in the data folder.
    static func start(
        paths: Paths, options: ServerOptions, place: Place, hasControllers: Bool, servesComponents: Bool,
        loops: EventLoops, log: Logger
    ) async throws -> ServerHalf {
        let pki = try ClusterPKI.open(
            dataDir: paths.dataDir, addresses: place.addresses + [place.serviceRange.nth(1)].compactMap(\.self),
            nodeName: place.nodeName, securePort: options.securePort, log: log)
        if servesComponents { try pki.serveComponents() }
        let server = try await APIServer(
            options.apiServer(paths: paths, address: place.addresses[0], dns: place.dns), pki: pki, loops: loops,
            log: log)
        do {
            try await server.start()
            return ServerHalf(
                server: server, pki: pki, options: options, place: place, hasControllers: hasControllers, log: log)
        } catch {
            await server.shutdown()
            throw error
        }
    }

    private init(
        server: APIServer, pki: ClusterPKI, options: ServerOptions, place: Place, hasControllers: Bool, log: Logger
    ) {
        self.server = server
        self.pki = pki
        guard hasControllers else {
            scheduler = nil
            controllers = nil
            return
        }
        let scheduler = Scheduling(client: server.client(as: .scheduler), leaderElection: options.leaderElect, log: log)
        let controllers = Controlling(
            client: server.client(as: .controllerManager), accounts: { server.client(as: .controller($0)) },
            options: options.controllers(clusterRanges: place.clusterRanges, pki: pki),
            leaderElection: options.leaderElect,
            log: log)
        server.health.add("scheduler", .component) {
            scheduler.isReady ? nil : "it has not listed pods and nodes yet"
        }
        server.health.add("controller-manager", .component) {
            controllers.isReady ? nil : "its first lists are not in yet"
        }
        self.scheduler = scheduler
        self.controllers = controllers
    }

    /// Starts what lives by the server.
    func start() -> [Task<Void, Never>] {
        [
            Task { await self.pki.run() },
            Task { if let controllers = self.controllers { await controllers.run() } },
            Task { if let scheduler = self.scheduler { await scheduler.run() } },
        ]
    }
}
