import CNetfilter
import Glibc
import Kernel
import KubeAPI

/// Hears when somebody else changes our table, in the network namespace of the thread that makes it.
///
/// Our own transactions are filtered out in the kernel, by the port of the socket that they come from: those of a full
/// load are far more than a receive buffer holds.
final class NftMonitor: Sendable {
    /// The bit of NFNLGRP_NFTABLES.
    private static let group: UInt32 = 1 << 6

    private let socket: NetlinkSocket
    private let loop: EpollLoop
    private let token: EpollLoop.Token

    /// Calls back on the loop's thread, once for all that comes together. `ignoring`: the netlink port of our own
    /// connection.
    init(
        table: String, _ family: IPAddress.Family = .ipv4, ignoring port: UInt32, on loop: EpollLoop,
        _ callback: @escaping @Sendable () -> Void
    ) throws(KernelError) {
        let socket = try NetlinkSocket(
            protocol: NETLINK_NETFILTER, groups: Self.group, receiveBufferBytes: 1 << 20)
        try Self.ignore(port, socket.descriptor.raw)
        self.socket = socket
        self.loop = loop
        token = try loop.watch(socket.descriptor.raw) { _ in
            if Self.drain(socket.descriptor.raw, table, family, port) { callback() }
        }
    }

    func stop() { loop.cancel(token) }

    /// What waits is about our table, or may be.
    private static func drain(
        _ socket: Int32, _ table: String, _ family: IPAddress.Family, _ port: UInt32
    ) -> Bool {
        var receiver = NftReceiver()
        var isOurs = false
        while true {
            do throws(KernelError) {
                guard let datagram = try receiver.receive(socket, wait: false) else { return isOurs }
                datagram.forEachMessage { message in
                    if !isOurs { isOurs = concerns(table, family, message, port) }
                }
            } catch {
                // ENOBUFS: messages were lost, and any of them may have been about us.
                guard error.code == ENOBUFS else { return isOurs }
                isOurs = true
            }
        }
    }

    /// All messages but that of the new generation have the table's name as their first kind of attribute.
    static func concerns(
        _ table: String, _ family: IPAddress.Family, _ message: NftReceiver.Message, _ port: UInt32
    ) -> Bool {
        guard message.type >> 8 == UInt16(NFNL_SUBSYS_NFTABLES), message.count >= 20,
            message.type & 0xff != UInt16(NFT_MSG_NEWGEN.rawValue), message.header.pointee.nlmsg_pid != port,
            UnsafeRawPointer(message.header).load(fromByteOffset: 16, as: UInt8.self)
                == UInt8(family.netfilterNumber)
        else { return false }
        return message.attributes.contains { $0.type == 1 && $0.value.text == table }
    }

    /// A socket filter that throws away what that port has caused: its number stands in the first message's header.
    private static func ignore(_ port: UInt32, _ socket: Int32) throws(KernelError) {
        // struct sock_filter: code, jump if true, jump if false, constant. Loads are in network order.
        struct Step {
            let code: UInt16
            let jumpTrue: UInt8
            let jumpFalse: UInt8
            let constant: UInt32
        }
        struct Program {
            let count: UInt16
            let steps: UnsafePointer<Step>?
        }
        let steps = [
            Step(code: 0x20, jumpTrue: 0, jumpFalse: 0, constant: 12),  // load nlmsg_pid
            Step(code: 0x15, jumpTrue: 0, jumpFalse: 1, constant: port.byteSwapped),  // is it ours?
            Step(code: 0x06, jumpTrue: 0, jumpFalse: 0, constant: 0),  // away
            Step(code: 0x06, jumpTrue: 0, jumpFalse: 0, constant: .max),  // keep all of it
        ]
        let result = steps.withUnsafeBufferPointer { steps in
            var program = Program(count: UInt16(steps.count), steps: steps.baseAddress)
            return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout<Program>.size))
        }
        guard result == 0 else { throw KernelError("filter", "messages of nf_tables") }
    }
}
