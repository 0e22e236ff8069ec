import ControlPlane
import KubeAPI
import Logging
import Transport

/// What a component's own port shows to its callers and whom it believes, where that may come, and change, while it runs.
///
/// Until something is found the port has a certificate that nobody can check, and believes nobody.
final class ServingCredentials: Sendable {
    let tls: ServerTLS
    /// Nil: not there yet.
    private let find: @Sendable () throws -> ServingPair?
    private let log: Logger

    init(name: String, addresses: [IPAddress] = [], log: Logger, find: @escaping @Sendable () throws -> ServingPair?)
        throws
    {
        self.find = find
        self.log = log
        let first = try ServingPair.ephemeral(name: name, addresses: addresses)
        tls = try ServerTLS(certificateChain: first.certificate, privateKey: first.privateKey)
    }

    /// Takes over what is found, until the task is cancelled.
    func run() async {
        var known: ServingPair?
        var problem = ""
        while !Task.isCancelled {
            do {
                if let pair = try find(), pair != known {
                    try tls.reload(
                        certificateChain: pair.certificate, privateKey: pair.privateKey, clientCA: pair.clientCA)
                    known = pair
                }
                problem = ""
            } catch {
                if problem != "\(error)" {
                    log.warning("cannot use the port's certificates", metadata: ["err": "\(error)"])
                }
                problem = "\(error)"
            }
            // A server that starts meanwhile should be able to call soon; renewals are rare.
            try? await Task.sleep(for: .seconds(known == nil ? 1 : 60))  // cancellation is seen by the loop
        }
    }
}

extension ServingPair {
    /// By the files' paths; nil where one is missing.
    static func files(certificate: String, key: String, clientCA: String?) throws -> ServingPair? {
        do throws(PrivateFile.Failure) {
            return ServingPair(
                certificate: try PrivateFile.read(certificate), privateKey: try PrivateFile.read(key),
                clientCA: try clientCA.map { path throws(PrivateFile.Failure) in try PrivateFile.read(path) })
        } catch {
            if error.isMissing { return nil }
            throw error
        }
    }

    /// A node's own certificate, which its kubeconfig holds, and the CA of the cluster; nil where there is none.
    static func kubeconfig(_ path: String, context: String) throws -> ServingPair? {
        guard Files.exists(path) else { return nil }
        let kubeconfig = try Kubeconfig.load(path)
        let material = try kubeconfig.material(context: kubeconfig.hasContext(context) ? context : nil)
        guard let certificate = material.certificate, let key = material.privateKey,
            ServingPair.isForServers(certificate)
        else { return nil }
        return ServingPair(certificate: certificate, privateKey: key, clientCA: material.authority)
    }
}
