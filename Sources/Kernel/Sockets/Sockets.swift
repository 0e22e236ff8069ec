import CLinux
import Glibc

/// The address and port of a socket's other end (or of its own), IPv4 or IPv6: plain, for hot tables.
public typealias SocketPeer = swl_peer

extension swl_peer {
    /// From 4 or 16 bytes in network order; others make an address of zeros.
    public init(bytes: [UInt8], port: UInt16) {
        self.init()
        self.port = port
        is_ipv6 = bytes.count == 16 ? 1 : 0
        guard bytes.count == 4 || bytes.count == 16 else { return }
        withUnsafeMutableBytes(of: &address) { $0.copyBytes(from: bytes) }
    }

    /// 4 or 16 bytes in network order.
    public var bytes: [UInt8] { withUnsafeBytes(of: address) { Array($0.prefix(is_ipv6 == 0 ? 4 : 16)) } }
}

/// A buffer with the peer that it came from or goes to.
public typealias Datagram = swl_datagram

/// Sockets over UDP and TCP for those that keep their own loops. None of the calls waits.
public enum Sockets {
    /// A socket bound to an address, which may come later than the socket; it listens where it is a stream's.
    public static func listen(_ place: SocketPeer, isStream: Bool) throws(KernelError) -> FileDescriptor {
        let result = withUnsafePointer(to: place) { swl_listen_at($0, isStream ? 1 : 0) }
        return try FileDescriptor(result: result, "listen on", "\(isStream ? "TCP" : "UDP") port \(place.port)")
    }

    /// A connected socket; a stream's may still be under way, until it is writable.
    public static func connect(_ place: SocketPeer, isStream: Bool) throws(KernelError) -> FileDescriptor {
        let result = withUnsafePointer(to: place) { swl_connect_to($0, isStream ? 1 : 0) }
        return try FileDescriptor(result: result, "connect to", "port \(place.port)")
    }

    /// The next connection; nil where none waits. `peer` becomes who it is.
    public static func accept(
        _ listener: borrowing FileDescriptor, from peer: inout SocketPeer
    ) throws(KernelError) -> FileDescriptor? {
        let raw = listener.raw
        let result = withUnsafeMutablePointer(to: &peer) { swl_accept_from(raw, $0) }
        if [-EAGAIN, -EINTR, -ECONNABORTED].contains(result) { return nil }
        return try FileDescriptor(result: result, "accept", "a connection")
    }

    /// Fills the buffers, each of that capacity; how many, or a negative errno.
    public static func receive(
        _ socket: Int32, _ datagrams: UnsafeMutableBufferPointer<Datagram>, capacity: Int
    ) -> Int {
        guard let base = datagrams.baseAddress else { return 0 }
        return Int(swl_receive_datagrams(socket, base, Int32(clamping: datagrams.count), UInt32(clamping: capacity)))
    }

    /// Sends the first of them, as many as the socket takes; how many, or a negative errno.
    public static func send(_ socket: Int32, _ datagrams: UnsafeBufferPointer<Datagram>) -> Int {
        guard let base = datagrams.baseAddress, !datagrams.isEmpty else { return 0 }
        return Int(swl_send_datagrams(socket, base, Int32(clamping: datagrams.count)))
    }
}
