import ArgumentParser
import ControlPlane
import KubeAPI
import Transport

/// Where a server stands that has no node beside it in the process.
struct ServerPlaceOptions: ParsableArguments {
    @Option(help: "Name of this machine's node (default: the host's name): its agent finds its credentials here.")
    var nodeName: String?
    @Option(
        name: [.long, .customLong("node-ip")],
        help: "Address under which nodes and pods reach the API (default: the source of the default route).")
    var advertiseAddress: String?
    @Option(help: "Range that all pods of the cluster are in; one of IPv6 may follow behind a comma.")
    var clusterCidr = "10.244.0.0/16"
    @OptionGroup(title: "DNS") var dns: DNSOptions

    func validate() throws {
        if let advertiseAddress, IPAddress(advertiseAddress)?.isIPv4 != true {
            throw ValidationError("--advertise-address \(advertiseAddress): it must be an IPv4 address")
        }
        try ServerOptions.checkRanges("cluster-cidr", clusterCidr)
    }
}

/// `swiftlet server`: the control plane in one process.
struct ServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "server", abstract: "Run a control plane: API server, scheduler and controllers.",
        discussion: """
            swiftlet agent runs a node. Credentials for components on this machine are written to the data folder; \
            swiftlet kubeconfig --node NAME makes those of a node elsewhere. It needs no root where its folders belong to \
            its user.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "Server") var server: ServerOptions
    @OptionGroup(title: "Place") var place: ServerPlaceOptions

    func run() async throws {
        try await ServerProcess.run(
            global: global, name: "server", server: server, place: place, roles: Role.server)
    }
}

/// `swiftlet apiserver`: the API server alone.
struct APIServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apiserver", abstract: "Run the API server alone.",
        discussion: "Credentials for the other components are written to the data folder.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "Server") var server: ServerOptions
    @OptionGroup(title: "Place") var place: ServerPlaceOptions

    func run() async throws {
        try await ServerProcess.run(
            global: global, name: "apiserver", server: server, place: place, roles: [.apiserver])
    }
}

/// A process that holds an API server and no node.
enum ServerProcess {
    static func run(
        global: GlobalOptions, name: String, server options: ServerOptions, place: ServerPlaceOptions, roles: [Role]
    ) async throws {
        let signals = try TerminationSignals()
        let ground = try Ground(global: global, name: name, roles: roles)
        let site = try NodeSite(
            ground: ground, nodeName: (place.nodeName ?? NodeOptions.hostName).lowercased(),
            nodeIPs: [place.advertiseAddress].compactMap { $0.flatMap { IPAddress($0) } },
            clusterRanges: NodeSite.ranges(place.clusterCidr, "cluster-cidr"), serviceRanges: options.serviceRanges,
            role: "server", kinds: [.server])
        let loops = EventLoops(count: 1)
        let half: ServerHalf
        do {
            half = try await ServerHalf.start(
                paths: ground.paths, options: options,
                place: ServerHalf.Place(
                    nodeName: site.nodeName, addresses: site.addresses, clusterRanges: site.clusterRanges,
                    serviceRange: site.serviceRange, dns: place.dns.place(in: site.serviceRange)),
                hasControllers: roles.contains(.scheduler), servesComponents: true, loops: loops, log: ground.log)
        } catch {
            await loops.shutdown()
            throw error
        }
        let tasks = half.start()
        ServiceManager.notify("READY=1")
        await signals.next()
        ServiceManager.notify("STOPPING=1")
        ground.log.info("stopping")
        for task in tasks.reversed() {
            task.cancel()
            await task.value
        }
        await half.server.shutdown()
        await loops.shutdown()
        withExtendedLifetime(site) {}
    }
}
