import Glibc
import KubeAPI
import Kernel

/// The resolvers behind, from a file in the form of resolv.conf(5).
struct ResolverFile: Sendable {
    /// systemd-resolved's stub (127.0.0.53) answers on the node alone and may well ask us: behind it lies this file.
    private static let stub = IPAddress(ipv4: 0x7f00_0035)
    private static let behindStub = "/run/systemd/resolve/resolv.conf"
    /// As many as libc asks.
    private static let limit = 3

    let path: String
    /// Addresses that lead back to us.
    let own: Set<IPAddress>

    /// The resolvers to ask, in order. Throws where the file can't be read.
    func resolvers() throws(KernelError) -> [IPAddress] {
        var servers = try Self.servers(in: path)
        if servers.contains(Self.stub) {
            // Without systemd's own file there is nothing behind the stub.
            let behind = (try? Self.servers(in: Self.behindStub)) ?? []
            servers = servers.flatMap { $0 == Self.stub ? behind : [$0] }
        }
        var seen: Set<IPAddress> = []
        return Array(servers.filter { !own.contains($0) && seen.insert($0).inserted }.prefix(Self.limit))
    }

    private static func servers(in path: String) throws(KernelError) -> [IPAddress] {
        servers(try KernelFile.read(path))
    }

    /// Those of the file's text. A zone behind an IPv6 address is left out: it names a link, and ours is not the file's.
    static func servers(_ text: String) -> [IPAddress] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return IPAddress(String(words[1]))
        }
    }

    /// Changes whenever the file does.
    var stamp: [Int] {
        var status = stat()
        guard stat(path, &status) == 0 else { return [] }
        return [Int(status.st_ino), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec), Int(status.st_size)]
    }
}
