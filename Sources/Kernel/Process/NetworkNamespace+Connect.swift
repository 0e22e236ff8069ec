import Glibc

/// A stream socket whose connection is under way or stands.
public struct ConnectingSocket: ~Copyable, Sendable {
    public let descriptor: FileDescriptor
    /// It is not known yet whether the connection comes about: the socket becomes writable then.
    public let isPending: Bool

    /// Gives the socket away: the caller closes it.
    public consuming func release() -> Int32 { descriptor.release() }

    /// Throws why a connection did not come about that was pending on a socket which is writable now.
    public static func check(_ socket: Int32, _ subject: @autoclosure () -> String) throws(KernelError) {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else {
            throw KernelError("connect to", subject())
        }
        guard code == 0 else { throw KernelError("connect to", subject(), code: code) }
    }
}

extension NetworkNamespace {
    /// Begins a TCP connection within the namespace, without waiting for it. The calling thread is in the namespace for a
    /// moment, as in `enter`; the socket stays there.
    public borrowing func connect(to address: InetAddress, port: UInt16) throws(KernelError) -> ConnectingSocket {
        try enter { () throws(KernelError) in try Self.connect(address, port) }
    }

    private static func connect(_ address: InetAddress, _ port: UInt16) throws(KernelError) -> ConnectingSocket {
        let subject = "\(address) port \(port)"
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let raw = socket(Int32(address.family), type, 0)
        guard raw >= 0 else { throw KernelError("create", "socket") }
        let descriptor = FileDescriptor(owning: raw)
        let result: Int32
        if address.isIPv4 {
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin_addr) { $0.copyBytes(from: address.bytes) }
            result = connect(raw, name)
        } else {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: address.bytes) }
            result = connect(raw, name)
        }
        let code = errno
        guard result == 0 || code == EINPROGRESS else { throw KernelError("connect to", subject, code: code) }
        return ConnectingSocket(descriptor: descriptor, isPending: result != 0)
    }

    private static func connect<Name>(_ raw: Int32, _ name: Name) -> Int32 {
        withUnsafeBytes(of: name) { bytes in
            retrying {
                Glibc.connect(raw, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
            }
        }
    }
}
