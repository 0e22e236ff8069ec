import CLinux
import Glibc
import Synchronization

/// A unix socket of type SEQPACKET: packets stay whole, and carry descriptors.
public struct PacketSocket: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    /// Makes a listening socket in a folder. The folder's descriptor stands for its path, which may be longer than the
    /// 108 bytes of a socket's address.
    public static func listen(in folder: borrowing FileDescriptor, name: String) throws(KernelError) -> FileDescriptor {
        try FileDescriptor(result: swl_listen_seqpacket(folder.raw, name, 16), "listen at", name)
    }

    /// The next connection of a listening socket; nil where there is none.
    public static func accept(_ listener: borrowing FileDescriptor) throws(KernelError) -> PacketSocket? {
        // Its address says nothing: the other end has none.
        var address: UInt64 = 0
        let result = swl_accept(listener.raw, &address, MemoryLayout.size(ofValue: address))
        if [EAGAIN, ECONNABORTED, EINTR].contains(-result) { return nil }
        return PacketSocket(descriptor: try FileDescriptor(result: result, "accept a connection at", "socket"))
    }

    private init(descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

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
        try receiveWithDescriptor(limit: limit)?.bytes
    }

    /// The next packet, and the descriptor that comes along with it; others are closed.
    public borrowing func receiveWithDescriptor(limit: Int) throws(KernelError) -> Packet? {
        var received = 0
        var passed: Int32 = -1
        var count: Int32 = 1
        let raw = descriptor.raw
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            received = swl_receive_packet(raw, buffer.baseAddress, limit, &passed, &count)
            filled = max(0, received)
        }
        if received == -Int(EAGAIN) { return nil }
        guard received >= 0 else { throw KernelError("receive from", "socket", code: Int32(-received)) }
        return Packet(bytes: bytes, descriptor: count == 1 ? PassedDescriptor(FileDescriptor(owning: passed)) : nil)
    }

    /// What has been received at once.
    public struct Packet: Sendable {
        public let bytes: [UInt8]
        public let descriptor: PassedDescriptor?

        public init(bytes: [UInt8], descriptor: PassedDescriptor?) {
            self.bytes = bytes
            self.descriptor = descriptor
        }
    }
}

/// A descriptor on its way to whoever takes it; closed where nobody does.
public final class PassedDescriptor: Sendable {
    private let raw: Mutex<Int32?>

    public init(_ descriptor: consuming FileDescriptor) { raw = Mutex(descriptor.release()) }

    deinit {
        if let raw = raw.withLock({ $0 }) { close(raw) }
    }

    /// Gives it away, once.
    public func take() -> FileDescriptor? {
        raw.withLock { raw in
            defer { raw = nil }
            return raw.map { FileDescriptor(owning: $0) }
        }
    }
}
