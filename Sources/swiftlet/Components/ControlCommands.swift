import ArgumentParser
import ControlPlane
import KubeAPI
import Transport

/// Flags of a scheduler or controller manager in a process of its own.
struct ControlOptions: ParsableArguments {
    @Flag(inversion: .prefixedNo, help: "Work only while holding the lease in kube-system: one of several does.")
    var leaderElect = true
    @Option(help: "Address of the component's own port: health, and metrics for administrators.")
    var bindAddress = "127.0.0.1"

    func validate() throws {
        guard IPAddress(bindAddress) != nil else {
            throw ValidationError("--bind-address \(bindAddress): it must be an IP address")
        }
    }
}

/// `swiftlet scheduler`
struct SchedulerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "scheduler", abstract: "Run the scheduler alone.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "API") var api: APIOptions
    @OptionGroup var control: ControlOptions
    @Option(help: "The component's own port over TLS; 0 is none.")
    var securePort = 10_259

    func validate() throws { try ServerOptions.checkPort("secure-port", securePort, allowsZero: true) }

    func run() async throws {
        try await ControlProcess.run(
            global: global, role: .scheduler, api: api, control: control, port: securePort
        ) { client, _, log in
            Scheduling(client: client, leaderElection: control.leaderElect, log: log)
        }
    }
}

/// `swiftlet controller-manager`
struct ControllerManagerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "controller-manager", abstract: "Run the controllers alone.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "API") var api: APIOptions
    @OptionGroup var control: ControlOptions
    @Option(help: "The component's own port over TLS; 0 is none.")
    var securePort = 10_257
    @Option(help: "Range that nodes get their pods' ranges from; one of IPv6 may follow behind a comma.")
    var clusterCidr = "10.244.0.0/16"
    @Option(help: "Prefix length of each node's pod range.")
    var nodeCidrMaskSize = 22
    @Option(help: "Prefix length of each node's pod range of IPv6, where there is one.")
    var nodeCidrMaskSizeIpv6 = 64
    @Option(help: "How long events are kept, such as 1h or 90m.")
    var eventTtl = "1h"
    @Option(help: "CA that pods are to know the API by (default: the kubeconfig's).")
    var rootCaFile: String?
    @Option(help: "Key that signs tokens of service accounts (default: the server's of the same root).")
    var serviceAccountPrivateKeyFile: String?

    func validate() throws {
        try ServerOptions.checkPort("secure-port", securePort, allowsZero: true)
        try ServerOptions.checkRanges("cluster-cidr", clusterCidr)
        try ServerOptions.checkMasks(nodeCidrMaskSize, ipv6: nodeCidrMaskSizeIpv6)
        try ServerOptions.checkEventTTL(eventTtl)
    }

    /// Files may come later, when the server has made them.
    private func authority(_ paths: Paths) -> @Sendable () throws -> [UInt8] {
        let (given, known) = (rootCaFile, api.kubeconfigPath(paths.kubeconfig(Role.controllerManager.rawValue)))
        return {
            if let given { return try PrivateFile.read(given) }
            if let known, let authority = try Kubeconfig.load(known).material().authority { return authority }
            return try PrivateFile.read(paths.pki("ca.crt"))
        }
    }

    func run() async throws {
        let paths = global.paths
        let key = serviceAccountPrivateKeyFile ?? paths.pki("service-account.key")
        let options = ServerOptions.controllers(
            try NodeSite.ranges(clusterCidr, "cluster-cidr"), maskSize: nodeCidrMaskSize,
            secondMaskSize: nodeCidrMaskSizeIpv6, eventTTL: Duration(goDuration: eventTtl), authority: authority(paths),
            tokenKey: { try TokenKey.load(key) })
        try await ControlProcess.run(
            global: global, role: .controllerManager, api: api, control: control, port: securePort
        ) { client, loops, log in
            Controlling(
                client: client,
                accounts: api.accounts(
                    usual: paths.kubeconfig(Role.controllerManager.rawValue), base: client, loops: loops, log: log),
                options: options, leaderElection: control.leaderElect, log: log)
        }
    }
}
