import KubeAPI
import Logging
import Synchronization
import Transport

/// Connections to registries, kept for a while: one client for each way of believing a server.
///
/// They have a thread of their own, so that what is downloaded holds up no other connection of this process.
final class RegistryConnections: Sendable {
    /// Connections to one registry that wait for their next request.
    private static let idleConnections = 8

    private struct State {
        var loops: EventLoops?
        var clients: [RegistryTLS: HTTPClient] = [:]
    }
    private let state = Mutex(State())
    private let log: Logger

    init(log: Logger) { self.log = log }

    /// - Throws: `TransportError` where the files of its TLS can't be used.
    func client(for endpoint: RegistryEndpoint) throws -> HTTPClient {
        let key = endpoint.tls ?? RegistryTLS()
        if let known = state.withLock({ $0.clients[key] }) { return known }
        let tls = try Self.clientTLS(key)
        return state.withLock { state in
            if let known = state.clients[key] { return known }
            let loops = state.loops ?? EventLoops(count: 1)
            state.loops = loops
            var limits = HTTPClient.Limits()
            limits.idleConnections = Self.idleConnections
            limits.bodyBytes = 1 << 20
            let client = HTTPClient(loops: loops, tls: tls, limits: limits, log: log)
            state.clients[key] = client
            return client
        }
    }

    private static func clientTLS(_ tls: RegistryTLS) throws -> ClientTLS {
        func read(_ path: String?) throws(TransportError) -> [UInt8]? {
            guard let path else { return nil }
            do {
                return try HostFiles.read(path, limit: 1 << 20)
            } catch {
                throw TransportError(.invalidConfiguration, "\(error)")
            }
        }
        return try ClientTLS(
            authorities: read(tls.caFile), addsToSystem: true, certificateChain: read(tls.certificateFile),
            privateKey: read(tls.keyFile), isInsecure: tls.isInsecure)
    }

    /// Files of certificates may have been replaced.
    func forget() {
        let clients = state.withLock { state in
            defer { state.clients = [:] }
            return Array(state.clients.values)
        }
        for client in clients { client.shutdown() }
    }

    func shutdown() async {
        forget()
        let loops = state.withLock { state in
            defer { state.loops = nil }
            return state.loops
        }
        await loops?.shutdown()
    }
}
