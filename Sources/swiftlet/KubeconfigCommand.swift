import ArgumentParser
import Glibc
import Transport

/// `swiftlet kubeconfig [--merge FILE]`: the administrator's way into the cluster.
struct KubeconfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubeconfig", abstract: "Print the administrator's kubeconfig, or merge it into a file.")

    @OptionGroup var global: GlobalOptions
    @Option(
        help: ArgumentHelp(
            "Merge into this file instead, which keeps its other clusters and gets this one as its current context.",
            valueName: "file"))
    var merge: String?

    func run() throws {
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
}
