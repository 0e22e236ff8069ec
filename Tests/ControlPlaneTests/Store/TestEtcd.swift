import Glibc
import Testing
import Transport

@testable import ControlPlane

/// A real etcd on the loopback interface, with a folder of its own, for as long as it is held.
final class TestEtcd: Sendable {
    static let path = "/usr/bin/etcd"
    static var isInstalled: Bool { access(path, X_OK) == 0 }

    let folder: TemporaryFolder
    let port: Int
    private let process: pid_t

    init() throws {
        folder = try TemporaryFolder()
        port = try Self.freePort()
        let client = "http://127.0.0.1:\(port)"
        let arguments = [
            Self.path, "--data-dir", "\(folder.path)/etcd", "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", "http://127.0.0.1:0", "--logger", "zap",
            "--log-level", "error",
        ]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in 0...2 {
            posix_spawn_file_actions_addopen(&actions, Int32(descriptor), "/dev/null", O_RDWR, 0)
        }
        // Other tests' listeners must end with them.
        for descriptor in 3..<1024 { posix_spawn_file_actions_addclose(&actions, Int32(descriptor)) }
        var process = pid_t()
        let strings = arguments.map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        try #require(posix_spawn(&process, Self.path, &actions, nil, strings, environ) == 0)
        self.process = process
    }

    deinit {
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
    }

    /// Opens a store in it, under a prefix.
    func open(prefix: String = "/registry", cluster: String = "ours") async throws -> EtcdStore {
        let endpoint = try GRPCEndpoint("http://127.0.0.1:\(port)")
        return try await EtcdStore.open(EtcdConfig(servers: [endpoint], prefix: prefix), cluster: cluster, log: quiet)
    }

    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 ? getsockname(descriptor, $0, &size) : -1
            }
        }
        try #require(result == 0)
        return Int(in_port_t(bigEndian: address.sin_port))
    }
}
