import Crypto
import Glibc
import KubeAPI
import NodeAgent

/// Where everything lies, after `--root` (design.md, "Names that users see").
struct Paths: Sendable {
    /// The root that prefixes all paths, absolute, without a slash at its end; empty for `/`.
    let root: String
    let dataDir: String
    let runDir: String
    let logDir: String
    let manifests: String
    let configFile: String

    init(root: String, dataDir: String?, runDir: String?, manifests: String?, configFile: String?) {
        let root = Self.absolute(root)
        self.root = root
        self.dataDir = root + (dataDir ?? "/var/lib/swiftlet")
        self.runDir = root + (runDir ?? "/run/swiftlet")
        self.logDir = root + "/var/log"
        self.manifests = root + (manifests ?? "/etc/swiftlet/manifests")
        self.configFile = root + (configFile ?? "/etc/swiftlet/config.yaml")
    }

    /// What names our kernel objects: `0000` for the root `/`, else four base32 letters of its path's SHA-256.
    var tag: String {
        guard !root.isEmpty else { return "0000" }
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")
        let digest = Array(SHA256.hash(data: Array(Self.resolved(root).utf8)))
        let bits = digest.prefix(3).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return String((0..<4).map { alphabet[Int(bits >> (19 - 5 * UInt32($0))) & 31] })
    }

    var adminKubeconfig: String { dataDir + "/admin.kubeconfig" }
    /// What a server of this root has written for components in processes of their own: `scheduler`, `node`.
    func kubeconfig(_ name: String) -> String { "\(dataDir)/\(name).kubeconfig" }
    /// A certificate, or key, of the cluster's that this machine has.
    func pki(_ name: String) -> String { "\(dataDir)/pki/\(name)" }
    var pidFile: String { runDir + "/swiftlet.pid" }
    /// The pid, and the lock, of whoever has that role.
    func pidFile(_ role: Role) -> String { "\(runDir)/\(role.rawValue).pid" }
    /// The addresses that this node was given on lo, for want of others.
    var nodeAddress: String { runDir + "/node-address" }
    /// Mirrors, and what registries want.
    var registries: String { root + "/etc/swiftlet/registries.yaml" }
    /// What the kubelet calls the node, for a proxy that was not told.
    var nodeName: String { runDir + "/node-name" }
    /// The image store.
    var images: String { dataDir + "/images" }
    /// The embedded store.
    var store: String { dataDir + "/store.db" }
    /// Where the daemons write their logs when something else starts them (`/logs/` shows it).
    var daemonLogs: String { logDir + "/swiftlet" }
    var kubeletSocket: String { runDir + "/kubelet.sock" }
    /// The folder of the socket by which the daemon executes programs in containers.
    var execFolder: String { runDir + "/exec" }
    /// Where the service proxy says what is programmed.
    var proxySocket: String { runDir + "/proxy.sock" }
    /// What conntrack's settings were before the proxy raised them.
    var proxySysctls: String { dataDir + "/sysctl-proxy.saved" }

    /// What the pods' runtime needs of all this.
    func runtimeConfig(podRanges: [CIDR] = [], nodeIPs: [IPAddress] = []) -> RuntimeConfig {
        RuntimeConfig(
            dataDir: dataDir, runDir: runDir, tag: tag, podCIDRs: podRanges, nodeIPs: nodeIPs,
            // Not a flag: of use to integration/test-steps alone.
            dyingStep: getenv("SWIFTLET_DIE_BEHIND").map { String(cString: $0) })
    }

    private static func absolute(_ path: String) -> String {
        var path = path
        if !path.hasPrefix("/") {
            var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
            if getcwd(&buffer, buffer.count) != nil {
                path =
                    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/"
                    + path
            }
        }
        while path.hasSuffix("/") { path.removeLast() }
        return path
    }

    /// Follows symbolic links, so that two spellings of one root have one tag; the path itself where it is not there yet.
    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
