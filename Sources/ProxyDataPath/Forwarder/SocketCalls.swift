import Glibc
import Kernel
import KubeAPI

/// An IPv4 address and port as sockets take them, in network order. Plain, for hot tables.
struct SocketAddress: Hashable, Sendable {
    var address: UInt32
    var port: UInt16

    init(address: UInt32, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Nil for IPv6.
    init?(_ address: IPAddress, _ port: UInt16) {
        guard let number = address.ipv4 else { return nil }
        self.init(address: number.bigEndian, port: port.bigEndian)
    }

    init(_ raw: sockaddr_in) { self.init(address: raw.sin_addr.s_addr, port: raw.sin_port) }

    var raw: sockaddr_in {
        var raw = sockaddr_in()
        raw.sin_family = sa_family_t(AF_INET)
        raw.sin_addr.s_addr = address
        raw.sin_port = port
        return raw
    }

    var text: String { "\(IPAddress(ipv4: UInt32(bigEndian: address))):\(UInt16(bigEndian: port))" }
}

/// Socket calls with plain results: a descriptor or count, or a negative errno.
enum SocketCalls {
    static let streamType = Int32(SOCK_STREAM.rawValue)
    static let datagramType = Int32(SOCK_DGRAM.rawValue)
    private static let flags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    private static let backlog: Int32 = 4096

    /// A socket that listens (or receives) at an address. Both kinds pass on what they are set to: connections that are
    /// accepted send without delay and notice dead peers.
    static func listen(_ place: SocketAddress, _ type: Int32) throws(KernelError) -> FileDescriptor {
        let raw = socket(AF_INET, type | flags, 0)
        guard raw >= 0 else { throw KernelError("open", "socket for \(place.text)") }
        let descriptor = FileDescriptor(owning: raw)
        // The address may come later than the socket.
        set(raw, Int32(IPPROTO_IP), IP_FREEBIND, 1)
        if type == streamType {
            set(raw, SOL_SOCKET, SO_REUSEADDR, 1)
            set(raw, SOL_SOCKET, SO_KEEPALIVE, 1)
            set(raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        }
        var address = place.raw
        let bound = withSocketAddress(&address) { bind(raw, $0, $1) }
        guard bound == 0 else { throw KernelError("listen on", place.text) }
        guard type != streamType || Glibc.listen(raw, backlog) == 0 else { throw KernelError("listen on", place.text) }
        return descriptor
    }

    /// A socket that is being connected.
    static func connect(_ place: SocketAddress, _ type: Int32) -> Int32 {
        let raw = socket(AF_INET, type | flags, 0)
        guard raw >= 0 else { return -errno }
        if type == streamType {
            set(raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            set(raw, SOL_SOCKET, SO_KEEPALIVE, 1)
        }
        var address = place.raw
        guard withSocketAddress(&address, { Glibc.connect(raw, $0, $1) }) != 0, errno != EINPROGRESS else { return raw }
        let code = errno
        close(raw)
        return -code
    }

    /// Accepts one connection; all further calls on it say MSG_DONTWAIT.
    static func accept(_ listener: Int32, _ peer: inout sockaddr_in) -> Int32 {
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let raw = withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.accept(listener, $0, &length) }
        }
        guard raw >= 0 else { return -errno }
        _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
        return raw
    }

    /// The error that a connection attempt ended with; 0 for success.
    static func pendingError(_ socket: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    /// Closes so that the peer sees a reset instead of an end.
    static func reset(_ socket: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close(socket)
    }

    static func receive(_ socket: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int, from peer: inout sockaddr_in)
        -> Int
    {
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let received = withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(socket, buffer, count, Int32(MSG_DONTWAIT), $0, &length)
            }
        }
        return received >= 0 ? received : -Int(errno)
    }

    static func send(_ socket: Int32, _ buffer: UnsafeRawPointer, _ count: Int, to peer: SocketAddress) {
        var address = peer.raw
        // A full buffer loses the datagram, as any queue on its way may.
        _ = withSocketAddress(&address) {
            sendto(socket, buffer, count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL), $0, $1)
        }
    }

    private static func set(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func withSocketAddress<Value>(
        _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
    ) -> Value {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
