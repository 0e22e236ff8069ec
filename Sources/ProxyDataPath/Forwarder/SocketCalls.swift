import Glibc
import Kernel

/// Socket calls with plain results: a descriptor or count, or a negative errno.
enum SocketCalls {
    static let streamType = Int32(SOCK_STREAM.rawValue)
    static let datagramType = Int32(SOCK_DGRAM.rawValue)
    private static let flags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    private static let backlog: Int32 = 4096
    /// IPV6_FREEBIND, which the Glibc module hides.
    private static let ipv6FreeBind: Int32 = 78

    /// When a silent peer is asked whether it still lives, how often, and how many times: dead ones go within ten minutes.
    private static let keepAliveSeconds: (idle: Int32, interval: Int32, probes: Int32) = (300, 60, 5)

    /// Sockets that listen (or receive) at one address, one for each loop: the kernel spreads clients over them. Streams
    /// pass on what they are set to: connections that are accepted send without delay and notice dead peers.
    static func listen(_ place: SocketAddress, _ type: Int32) throws(KernelError) -> FileDescriptor {
        let raw = socket(place.family, type | flags, 0)
        guard raw >= 0 else { throw KernelError("open", "socket for \(place.text)") }
        let descriptor = FileDescriptor(owning: raw)
        // The address may come later than the socket.
        if place.isIPv6 {
            set(raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
            set(raw, Int32(IPPROTO_IPV6), ipv6FreeBind, 1)
        } else {
            set(raw, Int32(IPPROTO_IP), IP_FREEBIND, 1)
        }
        set(raw, SOL_SOCKET, SO_REUSEPORT, 1)
        if type == streamType {
            set(raw, SOL_SOCKET, SO_REUSEADDR, 1)
            keepAlive(raw)
            set(raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        }
        guard place.withRaw({ bind(raw, $0, $1) }) == 0 else { throw KernelError("listen on", place.text) }
        guard type != streamType || Glibc.listen(raw, backlog) == 0 else { throw KernelError("listen on", place.text) }
        return descriptor
    }

    /// Begins a connection: the descriptor, and whether it stands already (as it does on one machine).
    static func connect(_ place: SocketAddress, _ type: Int32) -> (socket: Int32, isOpen: Bool) {
        let raw = socket(place.family, type | flags, 0)
        guard raw >= 0 else { return (-errno, false) }
        if type == streamType { set(raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        return place.withRaw { address, length -> (Int32, Bool) in
            if Glibc.connect(raw, address, length) == 0 { return (raw, true) }
            var code = errno
            if code == EINPROGRESS {
                // Asked once more it says whether the handshake is over, which on one machine it is: a turn saved.
                if Glibc.connect(raw, address, length) == 0 { return (raw, true) }
                code = errno
                if code == EALREADY || code == EINPROGRESS { return (raw, false) }
                if code == EISCONN { return (raw, true) }
            }
            close(raw)
            return (-code, false)
        }
    }

    /// The error that a connection attempt ended with; 0 for success.
    static func pendingError(_ socket: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    /// Who is at the other end; nil where nobody is any more.
    static func peer(of socket: Int32) -> SocketAddress? {
        var raw = sockaddr_in6()
        return withUnsafeMutableBytes(of: &raw) { bytes -> SocketAddress? in
            guard let base = bytes.baseAddress else { return nil }
            var length = socklen_t(bytes.count)
            let code = getpeername(socket, base.assumingMemoryBound(to: sockaddr.self), &length)
            return code == 0 ? SocketAddress(base) : nil
        }
    }

    /// Closes so that the peer sees a reset instead of an end.
    static func reset(_ socket: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close(socket)
    }

    /// Has the kernel ask a silent peer whether it still lives.
    static func keepAlive(_ socket: Int32) {
        set(socket, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPIDLE, keepAliveSeconds.idle)
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPINTVL, keepAliveSeconds.interval)
        set(socket, Int32(IPPROTO_TCP), TCP_KEEPCNT, keepAliveSeconds.probes)
    }

    /// Receives one datagram; its sender is written to `peer`, which holds a `sockaddr_in6`.
    static func receive(
        _ socket: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int, from peer: UnsafeMutableRawPointer
    ) -> Int {
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let received = recvfrom(
            socket, buffer, count, Int32(MSG_DONTWAIT), peer.assumingMemoryBound(to: sockaddr.self), &length)
        return received >= 0 ? received : -Int(errno)
    }

    static func send(_ socket: Int32, _ buffer: UnsafeRawPointer, _ count: Int, to peer: SocketAddress) {
        // A full buffer loses the datagram, as any queue on its way may.
        _ = peer.withRaw { sendto(socket, buffer, count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL), $0, $1) }
    }

    private static func set(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
