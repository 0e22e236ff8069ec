import ControlPlane
import KubeAPI
import Logging
import Transport

/// A process that holds one component of the control plane, and the port that tells how it is.
enum ControlProcess {
    static func run<Component: Sendable>(
        global: GlobalOptions, role: Role, api: APIOptions, control: ControlOptions, port: Int,
        _ make: (any APIClient, EventLoops, Logger) -> ElectedComponent<Component>
    ) async throws {
        let signals = try TerminationSignals()
        let ground = try Ground(global: global, name: role.rawValue, roles: [role])
        let log = ground.log
        let loops = EventLoops(count: 1)
        let usual = ground.paths.kubeconfig(role.rawValue)
        let component = make(
            api.client(usual: usual, context: role.rawValue, loops: loops, log: log), loops, log)
        let path = api.kubeconfigPath(usual)
        let own = try ServingPair.ephemeral(name: role.rawValue, addresses: [])
        let credentials = try ServingCredentials(name: role.rawValue, log: log) {
            guard let path, Files.exists(path) else { return nil }
            return ServingPair(
                certificate: own.certificate, privateKey: own.privateKey,
                clientCA: try Kubeconfig.load(path).material().authority)
        }
        let server = HTTPServer(
            loops: loops,
            handler: ComponentPages(isReady: { component.isReady }, metrics: { component.metrics }),
            tls: credentials.tls, log: log)
        do {
            if port > 0 { try await server.listen(host: control.bindAddress, port: port) }
        } catch {
            await server.shutdown()
            await loops.shutdown()
            throw CommandError("cannot start: \(error); choose another port with --secure-port")
        }
        let tasks = [Task { await credentials.run() }, Task { await component.run() }]
        ServiceManager.notify("READY=1")
        await signals.next()
        ServiceManager.notify("STOPPING=1")
        log.info("stopping")
        for task in tasks.reversed() {
            task.cancel()
            await task.value
        }
        await server.shutdown()
        await loops.shutdown()
    }
}
