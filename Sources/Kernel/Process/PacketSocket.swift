import CLinux
import Glibc

/// A unix socket of type SEQPACKET: packets stay whole, and carry descriptors.
public struct PacketSocket: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    /// Makes a listening socket in a folder. The folder's descriptor stands for its path, which may be longer than the
    /// 108 bytes of a socket's address.
    public static func listen(in folder: borrowing FileDescriptor, name: String) throws(KernelError) -> FileDescriptor {
        try FileDescriptor(result: swl_listen_seqpacket(folder.raw, name, 16), "listen at", name)
    }

    /// Connects without waiting for the other end to accept.
    public init(connectingIn folder: borrowing FileDescriptor, name: String) throws(KernelError) {
        descriptor = try FileDescriptor(result: swl_connect_seqpacket(folder.raw, name), "connect to", name)
    }

    /// Sends one packet and up to four descriptors, without waiting (EAGAIN).
    public borrowing func send(_ bytes: [UInt8], descriptors: [Int32] = []) throws(KernelError) {
        let raw = descriptor.raw
        let sent = bytes.withUnsafeBytes {
            swl_send_packet(raw, $0.baseAddress, bytes.count, descriptors, Int32(descriptors.count))
        }
        guard sent >= 0 else { throw KernelError("send to", "socket", code: Int32(-sent)) }
    }

    /// The next packet; nil where there is none yet, empty at the end. Descriptors that come along are closed.
    public borrowing func receive(limit: Int) throws(KernelError) -> [UInt8]? {
        var received = 0
        let raw = descriptor.raw
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            received = swl_receive_packet(raw, buffer.baseAddress, limit, nil, nil)
            filled = max(0, received)
        }
        if received == -Int(EAGAIN) { return nil }
        guard received >= 0 else { throw KernelError("receive from", "socket", code: Int32(-received)) }
        return bytes
    }
}
