import Crypto
import KubeAPI
import Transport
import X509

/// Kubeconfigs of components in processes of their own.
extension ClusterPKI {
    /// Contexts of a node's kubeconfig: one file is what a node needs.
    public enum NodeContext {
        public static let kubelet = "kubelet"
        public static let proxy = "proxy"
        public static let dns = "dns"
    }

    /// Writes a kubeconfig for each component beside the administrator's, and keeps them: `node.kubeconfig` (with a
    /// context for kubelet, proxy and DNS), `scheduler.kubeconfig` and `controller-manager.kubeconfig`.
    public func serveComponents() throws {
        _ = servesComponents.set()
        try writeComponentKubeconfigs()
    }

    func writeComponentKubeconfigs() throws {
        for identity in [PKIIdentity.scheduler, .controllerManager] {
            try write(kubeconfig(identity, named: identity.rawValue), to: path(identity.rawValue))
        }
        var node = kubeconfig(.dns, named: NodeContext.dns)
        node.merge(kubeconfig(.proxy, named: NodeContext.proxy))
        node.merge(kubeconfig(.node, named: NodeContext.kubelet))
        try write(node, to: path("node"))
    }

    private func path(_ name: String) -> String {
        "\(adminKubeconfigPath.dropLast("admin.kubeconfig".count))\(name).kubeconfig"
    }

    /// A kubeconfig by which a node of that name joins from elsewhere, with certificates for a year. Takes the CA's key.
    /// Throws `PKIError`.
    public static func nodeKubeconfig(
        dataDir: String, nodeName: String, addresses: [IPAddress], server: String
    ) throws -> Kubeconfig {
        let files = CertificateFiles(directory: "\(dataDir)/pki")
        guard let certificate = try files.certificate("ca"), let key = try files.key("ca") else {
            throw PKIError("there is no cluster in \(dataDir): \(files.certificatePath("ca")) is missing")
        }
        let now = Timestamp.now()
        let ca: CertificateAuthority
        do {
            ca = try CertificateAuthority(certificate: certificate, key: key, now: now)
        } catch {
            throw PKIError("cannot use \(files.certificatePath("ca")): \(error)")
        }
        let profiles = CertificateProfiles(nodeName: nodeName, serverNames: [], addresses: addresses)
        func kubeconfig(_ identity: PKIIdentity, _ name: String) throws -> Kubeconfig {
            let key = P256.Signing.PrivateKey()
            let leaf = try ca.issue(profiles.profile(of: identity), for: key.publicKey, now: now)
            return Kubeconfig(
                name: name, server: server, certificateAuthority: try CertificateFiles.pem(ca.certificate),
                clientCertificate: try CertificateFiles.pem(leaf), clientKey: CertificateFiles.pem(key))
        }
        var node = try kubeconfig(.dns, NodeContext.dns)
        node.merge(try kubeconfig(.proxy, NodeContext.proxy))
        node.merge(try kubeconfig(.node, NodeContext.kubelet))
        return node
    }
}
