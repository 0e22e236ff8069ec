import ArgumentParser

/// `swiftlet up`: the whole cluster in one process.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Run a one-node cluster: API server, scheduler, controllers, kubelet and proxy.",
        discussion: "Ends on SIGTERM; pods and service rules stay. swiftlet reset removes everything.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "Server") var server: ServerOptions
    @OptionGroup(title: "Node") var node: NodeOptions

    func run() async throws {
        let signals = try TerminationSignals()
        let ground = try Ground(global: global, name: "up", roles: Role.allCases, isWhole: true)
        let cluster = try await Cluster.start(ground, server: server, node: node)
        ServiceManager.notify("READY=1")
        let failure = await signals.next(unless: { await cluster.firstFailure() })
        ServiceManager.notify("STOPPING=1")
        if failure == nil { ground.log.info("stopping; pods and service rules stay") }
        await cluster.stop()
        if let failure { throw failure }
    }
}
