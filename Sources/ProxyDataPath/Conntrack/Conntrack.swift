import CNetfilter
import Glibc
import Kernel
import KubeAPI
import Logging
import Synchronization

/// Ends what conntrack remembers of UDP: without it, a client that goes on sending from the same port would be sent for
/// ever to an endpoint that is gone, or past a service that has come since. Entries are ended one by one, never the
/// table.
///
/// TCP needs none: its connections live until their endpoint ends them.
final class Conntrack: Sendable {
    /// A backend that serves a service no more.
    struct Gone: Hashable, Sendable {
        let id: UInt32
        let backend: Backend
    }

    private struct State: ~Copyable {
        var receiver = NftReceiver()
        var sequence: UInt32 = 1
        /// Kernels before 5.8 can't choose what they dump.
        var canFilter = true
    }
    /// Of the entries that it reads and ends.
    let family: IPAddress.Family
    private let socket: NetlinkSocket
    private let log: Logger
    private let nodeAddresses: Mutex<Set<IPAddress>>
    private let state = Mutex(State())

    /// In the network namespace of the calling thread. `nodeAddresses`: where node ports are.
    init(_ family: IPAddress.Family, nodeAddresses: [IPAddress], log: Logger) throws(KernelError) {
        self.family = family
        socket = try NetlinkSocket(protocol: NETLINK_NETFILTER, receiveBufferBytes: 4 << 20)
        self.nodeAddresses = Mutex(Set(nodeAddresses))
        self.log = log
    }

    func setNodeAddresses(_ addresses: [IPAddress]) { nodeAddresses.withLock { $0 = Set(addresses) } }

    /// Ends UDP flows to backends that are gone, and those that went past a front before it was there.
    func endFlows(gone: [Gone], newFronts: [Front.Key], layout: MarkLayout) {
        let fronts = newFronts.filter { $0.proto == .udp }
        guard !gone.isEmpty || !fronts.isEmpty else { return }
        let stale = StaleFlows(
            gone: gone, fronts: fronts, nodeAddresses: nodeAddresses.withLock { $0 }, layout: layout)
        state.withLock { state in
            do throws(KernelError) {
                let entries = try Self.dump(
                    socket.descriptor.raw, &state, family, repliesFrom: nil, proto: .udp
                ) { stale.contains($0) }
                for entry in entries { try Self.end(entry, socket.descriptor.raw, &state, family) }
                if !entries.isEmpty { log.debug("UDP flows ended", metadata: ["count": "\(entries.count)"]) }
            } catch {
                log.warning("UDP flows to gone endpoints are left", metadata: ["err": "\(error)"])
            }
        }
    }

    // MARK: messages

    private static func header(
        _ type: cntl_msg_types, _ family: IPAddress.Family, flags: Int32, _ state: inout State,
        _ buffer: inout NftBuffer
    ) -> UInt32 {
        state.sequence &+= 1
        buffer.append(UInt32(0))
        buffer.append(UInt16(NFNL_SUBSYS_CTNETLINK << 8) | UInt16(type.rawValue))
        buffer.append(UInt16(NLM_F_REQUEST | flags))
        buffer.append(state.sequence)
        buffer.append(UInt32(0))
        buffer.append(family.netfilterNumber)
        return state.sequence
    }

    /// All entries of a protocol, or of all, that are answered from an address, or from any.
    func entries(
        repliesFrom address: IPAddress? = nil, proto: TransportProtocol? = nil,
        where isWanted: @escaping @Sendable (ConntrackEntry) -> Bool
    ) throws(KernelError) -> [ConntrackEntry] {
        let result: Result<[ConntrackEntry], KernelError> = state.withLock { state in
            do throws(KernelError) {
                return .success(
                    try Self.dump(socket.descriptor.raw, &state, family, repliesFrom: address, proto: proto, isWanted))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Kernels that can't choose what they dump give more: the caller looks at each entry anyway.
    private static func dump(
        _ socket: Int32, _ state: inout State, _ family: IPAddress.Family, repliesFrom address: IPAddress?,
        proto: TransportProtocol?, _ isWanted: @Sendable (ConntrackEntry) -> Bool
    ) throws(KernelError) -> [ConntrackEntry] {
        var entries: [ConntrackEntry] = []
        var request = NftBuffer(capacity: 4096)
        let number = header(IPCTNL_MSG_CT_GET, family, flags: NLM_F_DUMP, &state, &request)
        let isFiltered = state.canFilter && (address != nil || proto != nil)
        if isFiltered { filter(&request, address, proto) }
        request.close(messageAt: 0)
        state.receiver.discardAll(socket)
        try transmit(socket, request)
        var failure: Int32 = 0
        var isDone = false
        while !isDone {
            guard let datagram = try state.receiver.receive(socket, wait: true) else { continue }
            datagram.forEachMessage { message in
                guard message.sequence == number else { return }
                switch message.type {
                case UInt16(NLMSG_DONE): isDone = true
                case UInt16(NLMSG_ERROR):
                    failure = -message.error
                    isDone = true
                default:
                    guard let entry = ConntrackEntry(message.attributes),
                        address.map({ $0 == entry.reply.source }) ?? true,
                        proto.map({ $0.rawValue == entry.original.proto }) ?? true, isWanted(entry)
                    else { return }
                    entries.append(entry)
                }
            }
        }
        if failure == EINVAL || failure == EOPNOTSUPP, isFiltered {
            state.canFilter = false
            return try dump(socket, &state, family, repliesFrom: address, proto: proto, isWanted)
        }
        guard failure == 0 else { throw KernelError("read", "conntrack", code: failure) }
        return entries
    }

    /// Tuples of which only what the flags name counts (kernel's CTA_FILTER_F_…).
    private static func filter(_ request: inout NftBuffer, _ source: IPAddress?, _ proto: TransportProtocol?) {
        var flags: (original: UInt32, reply: UInt32) = (0, 0)
        if let proto {
            flags.original = 1 << 3  // CTA_FILTER_F_CTA_PROTO_NUM
            let tuple = request.count
            request.attribute(Int(CTA_TUPLE_ORIG.rawValue), length: 0, nested: true)
            let part = request.count
            request.attribute(Int(CTA_TUPLE_PROTO.rawValue), length: 0, nested: true)
            request.attribute(Int(CTA_PROTO_NUM.rawValue), length: 1)
            request.append(UInt32(proto.rawValue).littleEndian)
            request.close(attributeAt: part)
            request.close(attributeAt: tuple)
        }
        if let source {
            flags.reply = 1  // CTA_FILTER_F_CTA_IP_SRC
            let tuple = request.count
            request.attribute(Int(CTA_TUPLE_REPLY.rawValue), length: 0, nested: true)
            let part = request.count
            request.attribute(Int(CTA_TUPLE_IP.rawValue), length: 0, nested: true)
            let kind = source.isIPv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC
            request.attribute(Int(kind.rawValue), length: source.family.byteCount)
            let words = NftWords(source)
            for index in 0..<source.family.wordCount { request.append(words[index]) }
            request.close(attributeAt: part)
            request.close(attributeAt: tuple)
        }
        request.attribute(Int(CTA_FILTER.rawValue), length: 16, nested: true)
        request.attribute(Int(CTA_FILTER_ORIG_FLAGS.rawValue), length: 4)
        request.append(flags.original)
        request.attribute(Int(CTA_FILTER_REPLY_FLAGS.rawValue), length: 4)
        request.append(flags.reply)
    }

    private static func end(
        _ entry: ConntrackEntry, _ socket: Int32, _ state: inout State, _ family: IPAddress.Family
    ) throws(KernelError) {
        var request = NftBuffer(capacity: 4096)
        let number = header(IPCTNL_MSG_CT_DELETE, family, flags: NLM_F_ACK, &state, &request)
        for (type, bytes) in [(CTA_TUPLE_ORIG, entry.originalTuple), (CTA_ID, entry.idBytes)] {
            request.attribute(Int(type.rawValue), length: bytes.count, nested: type == CTA_TUPLE_ORIG)
            bytes.withUnsafeBytes { source in
                if let base = source.baseAddress { request.end.copyMemory(from: base, byteCount: source.count) }
            }
            request.advance((bytes.count + 3) & ~3)
        }
        request.close(messageAt: 0)
        try transmit(socket, request)
        var code: Int32?
        while code == nil {
            guard let datagram = try state.receiver.receive(socket, wait: true) else { continue }
            datagram.forEachMessage { message in
                if message.sequence == number, message.type == UInt16(NLMSG_ERROR) { code = -message.error }
            }
        }
        // It may have ended by itself.
        if let code, code != 0, code != ENOENT { throw KernelError("end", "a flow", code: code) }
    }

    private static func transmit(_ socket: Int32, _ request: borrowing NftBuffer) throws(KernelError) {
        while send(socket, request.bytes, request.count, 0) < 0 {
            if errno != EINTR { throw KernelError("send to", "conntrack") }
        }
    }
}
