import CLinux
import Glibc

/// What carries netlink datagrams: the kernel, or a test.
public protocol NetlinkTransport: AnyObject, Sendable {
    func send(_ datagram: [UInt8]) throws(KernelError)
    /// The next datagram; waits for it.
    func receive() throws(KernelError) -> [UInt8]
}

/// A netlink socket, in the network namespace of the thread that opens it.
public final class NetlinkSocket: NetlinkTransport {
    /// For `EpollLoop`.
    public let descriptor: FileDescriptor
    /// Long enough for any message of the kernel's (it makes dumps of at most 32 KiB).
    private static let capacity = 64 << 10

    /// `groups`: the bits of the multicast groups to listen to.
    public init(protocol number: Int32, groups: UInt32 = 0, receiveBufferBytes: Int32 = 0) throws(KernelError) {
        descriptor = try FileDescriptor(
            result: swl_netlink_socket(number, groups, receiveBufferBytes), "open", "netlink socket")
    }

    public func send(_ datagram: [UInt8]) throws(KernelError) {
        let raw = descriptor.raw
        let count = datagram.withUnsafeBytes { bytes in
            retrying { Glibc.send(raw, bytes.baseAddress, bytes.count, 0) }
        }
        guard count == datagram.count else { throw KernelError("send to", "netlink") }
    }

    public func receive() throws(KernelError) -> [UInt8] { try receive(flags: 0) ?? [] }

    /// The next datagram, nil where there is none yet. ENOBUFS says that some were lost.
    public func receiveIfAny() throws(KernelError) -> [UInt8]? { try receive(flags: Int32(MSG_DONTWAIT)) }

    private func receive(flags: Int32) throws(KernelError) -> [UInt8]? {
        var failure: Int32 = 0
        let raw = descriptor.raw
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.capacity) { buffer, filled in
            let count = retrying { recv(raw, buffer.baseAddress, buffer.count, flags) }
            if count < 0 { failure = errno } else { filled = count }
        }
        if failure == EAGAIN { return nil }
        guard failure == 0 else { throw KernelError("receive from", "netlink", code: failure) }
        return bytes
    }
}
