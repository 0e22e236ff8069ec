import ArgumentParser
import ControlPlane
import Glibc
import KubeAPI
import Transport

/// `swiftlet kubeconfig [--merge FILE]`: the administrator's way into the cluster.
struct KubeconfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubeconfig", abstract: "Print the administrator's kubeconfig, or merge it into a file.",
        discussion: """
            With --node it makes and prints the kubeconfig of a node on another machine instead, for \
            swiftlet agent --kubeconfig there; whoever has it acts as that node.
            """)

    @OptionGroup var global: GlobalOptions
    @Option(
        help: ArgumentHelp(
            "Merge into this file instead, which keeps its other clusters and gets this one as its current context.",
            valueName: "file"))
    var merge: String?
    @Option(help: "Make the kubeconfig of a node of this name.")
    var node: String?
    @Option(help: ArgumentHelp("URL by which that node reaches the API.", valueName: "url"))
    var server: String?

    func validate() throws {
        guard node != nil else {
            if server != nil { throw ValidationError("--server goes with --node") }
            return
        }
        guard merge == nil else { throw ValidationError("--merge and --node exclude each other") }
        guard let server, server.hasPrefix("https://") else {
            throw ValidationError("--node needs --server, a URL such as https://192.0.2.2:6443")
        }
    }

    func run() throws {
        if let node, let server { return try printNode(node, server) }
        let path = global.paths.adminKubeconfig
        guard Files.exists(path) else {
            throw CommandError(
                "cannot read kubeconfig \(path): no such file; swiftlet up writes it when it starts"
                    + (global.paths.root.isEmpty ? "" : " with --root \(global.paths.root)"))
        }
        do {
            let kubeconfig = try Kubeconfig.load(path)
            guard let merge else {
                return Swiftlet.write(String(decoding: kubeconfig.serialized(), as: UTF8.self), to: STDOUT_FILENO)
            }
            try kubeconfig.merge(intoFile: merge)
            printOut("merged context \"\(kubeconfig.currentContext)\" into \(merge)")
        } catch let error as Kubeconfig.Invalid {
            throw CommandError("\(error)")
        } catch let error as PrivateFile.Failure {
            throw CommandError("\(error)")
        }
    }

    private func printNode(_ name: String, _ server: String) throws {
        if let problem = NameValidation.dns1123Subdomain(name).first {
            throw CommandError("cannot make a kubeconfig for node \"\(name)\": \(problem)")
        }
        do {
            let kubeconfig = try ClusterPKI.nodeKubeconfig(
                dataDir: global.paths.dataDir, nodeName: name, addresses: [], server: server)
            Swiftlet.write(String(decoding: kubeconfig.serialized(), as: UTF8.self), to: STDOUT_FILENO)
        } catch let error as PKIError {
            throw CommandError("cannot make a kubeconfig for node \(name): \(error)")
        }
    }
}
