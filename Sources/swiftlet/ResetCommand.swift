import ArgumentParser
import Glibc
import KubeAPI
import Kernel
import NodeAgent
import ProxyDataPath

/// `swiftlet reset`: takes away everything that this root's daemons left in kernel and files.
struct ResetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Remove everything of this root: pods, links, namespaces, mounts, cgroups, rules, state.",
        discussion: "The daemon must not run. Configuration, static pod manifests and other roots are left alone.")

    @OptionGroup var global: GlobalOptions
    @Flag(help: "Don't ask.")
    var yes = false
    @Flag(help: "Keep the images.")
    var keepImages = false

    func run() async throws {
        let paths = global.paths
        guard geteuid() == 0 else { throw CommandError("cannot reset: it needs root") }
        if !yes {
            Swiftlet.write(
                "This removes all pods, the cluster's state and images below \(paths.dataDir). Type yes to go on: ",
                to: STDOUT_FILENO)
            guard readLine() == "yes" else { throw CommandError("nothing was removed") }
        }
        // Held to the end, so that no daemon starts meanwhile.
        let ground = try Ground(global: global, name: "reset", roles: Role.allCases, isWhole: true)
        let log = global.logger("reset")
        var failures: [String] = []
        func attempt(_ what: String, _ body: () async throws -> Void) async {
            do { try await body() } catch { failures.append("cannot remove \(what): \(error)") }
        }
        await attempt("pods") { try await PodRuntime.reset(config: paths.runtimeConfig(), log: log) }
        await attempt("volumes") { try Kubelet.reset(runDir: paths.runDir) }
        await attempt("service rules") { try ServiceProxy.reset(tag: paths.tag, savedSysctls: paths.proxySysctls) }
        await attempt("the node's address on lo") { try NodeAddress.remove(record: paths.nodeAddress) }
        await attempt(paths.dataDir) { try removeData(paths) }
        for path in [paths.runDir, paths.logDir + "/pods", paths.logDir + "/containers", paths.daemonLogs] {
            await attempt(path) { try FileTree.remove(path) }
        }
        withExtendedLifetime(ground) {}
        guard failures.isEmpty else {
            throw CommandError("reset is incomplete:\n  " + failures.joined(separator: "\n  "))
        }
        printOut("reset: nothing of \(paths.root.isEmpty ? "/" : paths.root) (tag \(paths.tag)) is left")
    }

    /// A folder that was given by mistake (`--data-dir /home`) is left alone.
    private func removeData(_ paths: Paths) throws {
        let names = FileTree.names(in: paths.dataDir)
        let ours: Set<String> = ["pki", "images", "store.db", "sandboxes", "containers"]
        guard names.isEmpty || !ours.isDisjoint(with: names) else {
            throw CommandError("it does not look like a data folder of swiftlet: remove it by hand")
        }
        guard keepImages, Files.exists(paths.images) else { return try FileTree.remove(paths.dataDir) }
        for name in names where paths.dataDir + "/" + name != paths.images {
            try FileTree.remove(paths.dataDir + "/" + name)
        }
    }
}
