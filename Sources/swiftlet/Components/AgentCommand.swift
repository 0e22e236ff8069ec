import ArgumentParser
import ControlPlane
import KubeAPI
import Transport

/// What a node needs to know of the cluster's services.
struct ServiceRangeOptions: ParsableArguments {
    @Option(help: "Range of virtual IPs, or one of each family, as the server has them.")
    var serviceCidr = "10.96.0.0/16"
    @Option(help: "Ports that services of type NodePort get, as the server has them.")
    var serviceNodePortRange = "30000-32767"

    func validate() throws {
        try ServerOptions.checkRanges("service-cidr", serviceCidr)
        guard nodePorts != nil else {
            throw ValidationError(
                "--service-node-port-range \(serviceNodePortRange): it must be FIRST-LAST within 1-65535")
        }
    }

    var nodePorts: ClosedRange<Int>? { ServerOptions.portRange(serviceNodePortRange) }
}

/// Certificates of a node's own port, where they are not the cluster's.
struct NodeServingOptions: ParsableArguments {
    @Option(help: "Certificate of the node's port (default: the node's own, of its kubeconfig).")
    var tlsCertFile: String?
    @Option(help: "Its private key.")
    var tlsPrivateKeyFile: String?
    @Option(help: "CA of those who may call the node's port (default: the cluster's, of the kubeconfig).")
    var clientCaFile: String?

    func validate() throws {
        guard (tlsCertFile == nil) == (tlsPrivateKeyFile == nil) else {
            throw ValidationError("--tls-cert-file and --tls-private-key-file go together")
        }
    }

    /// - Parameter kubeconfig: the node's; nil where it has none.
    func credentials(site: NodeSite, paths: Paths, kubeconfig: String?, ground: Ground) throws -> ServingCredentials {
        let options = self
        return try ServingCredentials(name: site.nodeName, addresses: site.addresses, log: ground.log) {
            guard let pair = try options.find(paths, kubeconfig) else { return nil }
            guard let file = options.clientCaFile else { return pair }
            return ServingPair(
                certificate: pair.certificate, privateKey: pair.privateKey, clientCA: try PrivateFile.read(file))
        }
    }

    private func find(_ paths: Paths, _ kubeconfig: String?) throws -> ServingPair? {
        if let tlsCertFile, let tlsPrivateKeyFile {
            let authority = try kubeconfig.flatMap {
                Files.exists($0) ? try Kubeconfig.load($0).material().authority : nil
            }
            guard let pair = try ServingPair.files(certificate: tlsCertFile, key: tlsPrivateKeyFile, clientCA: nil)
            else { throw CommandError("cannot read \(tlsCertFile) and \(tlsPrivateKeyFile): no such file") }
            return ServingPair(certificate: pair.certificate, privateKey: pair.privateKey, clientCA: authority)
        }
        if let kubeconfig { return try .kubeconfig(kubeconfig, context: ClusterPKI.NodeContext.kubelet) }
        // Over the loopback port the server is on this machine, perhaps in a pod that shares our folder.
        return try .files(
            certificate: paths.pki("kubelet.crt"), key: paths.pki("kubelet.key"), clientCA: paths.pki("ca.crt"))
    }
}

/// `swiftlet agent`: a node in one process.
struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "Run a node: kubelet, service proxy and DNS.",
        discussion: """
            On the server's machine it finds its credentials in the data folder; elsewhere give it what \
            swiftlet kubeconfig --node NAME has made. Ends on SIGTERM; pods and service rules stay.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "API") var api: APIOptions
    @OptionGroup(title: "Node") var node: NodeOptions
    @OptionGroup(title: "Services") var services: ServiceRangeOptions
    @OptionGroup(title: "Port") var serving: NodeServingOptions

    func run() async throws {
        let signals = try TerminationSignals()
        let ground = try Ground(global: global, name: "agent", roles: Role.agent)
        let (paths, log) = (ground.paths, ground.log)
        let site = try NodeSite(
            ground: ground, node: node, serviceRanges: NodeSite.ranges(services.serviceCidr, "service-cidr"),
            role: "agent")
        let loops = EventLoops(count: 1)
        let usual = paths.kubeconfig("node")
        func client(_ context: String) -> any APIClient {
            api.client(usual: usual, context: context, loops: loops, log: log)
        }
        let credentials = try serving.credentials(
            site: site, paths: paths, kubeconfig: api.kubeconfigPath(usual), ground: ground)
        let half = try NodeHalf(
            site: site, node: node, nodePorts: services.nodePorts,
            clients: NodeHalf.Clients(
                kubelet: client(ClusterPKI.NodeContext.kubelet), proxy: client(ClusterPKI.NodeContext.proxy),
                dns: client(ClusterPKI.NodeContext.dns)), tls: credentials.tls, loops: loops, log: log)
        let (failures, failed) = AsyncStream<CommandError>.makeStream()
        let tasks = half.start { failed.yield($0) } + [Task { await credentials.run() }]
        ServiceManager.notify("READY=1")
        let failure = await signals.next(unless: {
            for await failure in failures { return failure }
            return nil
        })
        ServiceManager.notify("STOPPING=1")
        if failure == nil { log.info("stopping; pods and service rules stay") }
        await half.kubelet.shutdown()
        for task in tasks.reversed() {
            task.cancel()
            await task.value
        }
        await loops.shutdown()
        withExtendedLifetime(site) {}
        if let failure { throw failure }
    }
}
