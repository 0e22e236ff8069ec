import ArgumentParser
import ControlPlane
import KubeAPI
import Transport

/// Flags of a store in etcd. Without servers the store is a file in the data folder.
struct EtcdOptions: ParsableArguments {
    @Option(help: "etcd servers that hold the cluster's data, with commas between them: http(s)://HOST:PORT.")
    var etcdServers: [String] = []
    @Option(help: "File with the CA certificates that etcd's servers are trusted by.")
    var etcdCafile: String?
    @Option(help: "File with the certificate that is shown to etcd.")
    var etcdCertfile: String?
    @Option(help: "File with the key of --etcd-certfile.")
    var etcdKeyfile: String?
    @Option(help: "What all keys in etcd begin with.")
    var etcdPrefix = EtcdConfig.defaultPrefix

    func validate() throws {
        let servers = try endpoints
        guard !servers.isEmpty else {
            for (flag, value) in [
                ("cafile", etcdCafile), ("certfile", etcdCertfile), ("keyfile", etcdKeyfile),
            ] where value != nil {
                throw ValidationError("--etcd-\(flag) needs --etcd-servers")
            }
            return
        }
        guard (etcdCertfile == nil) == (etcdKeyfile == nil) else {
            throw ValidationError("--etcd-certfile and --etcd-keyfile need each other")
        }
        if etcdCafile != nil || etcdCertfile != nil, !servers.contains(where: \.isTLS) {
            throw ValidationError("--etcd-cafile and --etcd-certfile need https:// in --etcd-servers")
        }
        guard etcdPrefix.hasPrefix("/"), etcdPrefix.utf8.count > 1, !etcdPrefix.hasSuffix("/"),
            etcdPrefix.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else {
            throw ValidationError("--etcd-prefix \(etcdPrefix): it must be a path such as /registry")
        }
    }

    private var endpoints: [GRPCEndpoint] {
        get throws {
            try etcdServers.flatMap { $0.split(separator: ",") }.map { text in
                let text = text.drop { $0 == " " }
                do throws(TransportError) {
                    return try GRPCEndpoint(String(text))
                } catch {
                    throw ValidationError("--etcd-servers \(text): it must be http://HOST:PORT or https://HOST:PORT")
                }
            }
        }
    }

    /// Nil where the store is a file. Throws `CommandError` for files that can't be read.
    func config(eventTTL: Duration) throws -> EtcdConfig? {
        let servers = try endpoints
        guard !servers.isEmpty else { return nil }
        return EtcdConfig(
            servers: servers, authorities: try etcdCafile.map { try Files.read($0) },
            certificate: try etcdCertfile.map { try Files.read($0) },
            privateKey: try etcdKeyfile.map { try Files.read($0) }, prefix: etcdPrefix, eventTTL: eventTTL)
    }
}
