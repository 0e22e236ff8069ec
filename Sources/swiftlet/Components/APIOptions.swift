import ArgumentParser
import ControlPlane
import KubeAPI
import Logging
import Transport

/// Flags by which a component in a process of its own finds the API.
struct APIOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "File that says where the API is and who this is; it may come later, and change.", valueName: "file"))
    var kubeconfig: String?
    @Option(
        name: [.long, .customLong("server")],
        help: ArgumentHelp(
            "URL of the API, instead of the kubeconfig's: https://… with its credentials, or the loopback port http://127.0.0.1:8080.",
            valueName: "url"))
    var master: String?

    func validate() throws {
        guard let master else { return }
        guard master.hasPrefix("http://") || master.hasPrefix("https://"), master.split(separator: "/").count > 1 else {
            throw ValidationError("--master \(master): it must be a URL such as https://192.0.2.2:6443")
        }
        if isPlain, kubeconfig != nil {
            throw ValidationError("--kubeconfig: its credentials must not be sent in the clear to \(master)")
        }
    }

    /// Nothing says where the API is.
    var isEmpty: Bool { kubeconfig == nil && master == nil }
    /// Without TLS there are no credentials.
    var isPlain: Bool { master?.hasPrefix("http://") ?? false }

    /// The kubeconfig that is used, given or by default; nil over the loopback port.
    func kubeconfigPath(_ usual: String) -> String? { isPlain ? nil : kubeconfig ?? usual }

    /// - Parameters:
    ///   - usual: the kubeconfig where none is given.
    ///   - context: whose credentials of it are taken, where it has several.
    func client(usual: String, context: String, loops: EventLoops, log: Logger) -> any APIClient {
        guard let path = kubeconfigPath(usual) else {
            return HTTPAPIClient(server: master ?? "", loops: loops, log: log)
        }
        return KubeconfigClient(path: path, context: context, server: master, loops: loops, log: log)
    }

    /// The API as service accounts of kube-system, whose tokens `base` asks for.
    /// - Parameter usual: the kubeconfig where none is given.
    func accounts(
        usual: String, base: any APIClient, loops: EventLoops, log: Logger
    ) -> @Sendable (_ name: String) -> any APIClient {
        // The loopback port knows no users.
        guard let path = kubeconfigPath(usual) else { return { _ in base } }
        let master = master
        return { name in
            AccountClient(name: name, base: base) { token in
                let kubeconfig = try Kubeconfig.load(path)
                guard let authority = try kubeconfig.material().authority else {
                    throw CommandError("cannot use kubeconfig \(path): it names no CA")
                }
                return HTTPAPIClient(
                    server: try master ?? kubeconfig.connection().server,
                    tls: try ClientTLS(authorities: authority), bearerToken: token, loops: loops, log: log)
            }
        }
    }
}
