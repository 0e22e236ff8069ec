import CLinux
import Glibc
import Synchronization

/// Links, addresses, routes and neighbours of one network namespace. Thread-safe; calls take their turn.
public final class Rtnetlink: Sendable {
    private let transport: any NetlinkTransport
    private let sequence = Mutex<UInt32>(1)

    /// In the namespace of the calling thread.
    public init() throws(KernelError) {
        transport = try NetlinkSocket(protocol: NETLINK_ROUTE)
    }

    /// In that namespace, from wherever it is called later.
    public convenience init(in namespace: borrowing NetworkNamespace) throws(KernelError) {
        let socket = try namespace.enter { () throws(KernelError) in try NetlinkSocket(protocol: NETLINK_ROUTE) }
        self.init(transport: socket)
    }

    /// Over something else: for tests.
    public init(transport: any NetlinkTransport) { self.transport = transport }

    /// Sends all changes in one call and waits for all answers. Throws the first refusal; the others are made.
    public func execute(_ batch: RtnetlinkBatch) throws(KernelError) {
        guard !batch.isEmpty else { return }
        // The lock is held to the last answer: another call's would come in between.
        let failure: KernelError? = sequence.withLock { next in
            do throws(KernelError) { return try execute(batch, &next) } catch { return error }
        }
        if let failure { throw failure }
    }

    /// Makes one change.
    public func execute(_ body: (inout RtnetlinkBatch) -> Void) throws(KernelError) {
        var batch = RtnetlinkBatch()
        body(&batch)
        try execute(batch)
    }

    private func execute(_ batch: RtnetlinkBatch, _ next: inout UInt32) throws(KernelError) -> KernelError? {
        let first = next
        var datagram: [UInt8] = []
        for entry in batch.entries {
            datagram += entry.message.finished(
                sequence: next, extraFlags: UInt16(NLM_F_REQUEST | NLM_F_ACK))
            while datagram.count % 4 != 0 { datagram.append(0) }
            next &+= 1
        }
        try transport.send(datagram)
        var firstFailure: (index: Int, error: KernelError)?
        var isAnswered = [Bool](repeating: false, count: batch.entries.count)
        var missing = batch.entries.count
        while missing > 0 {
            for message in NetlinkReader.messages(in: try transport.receive()) {
                guard message.type == UInt16(NLMSG_ERROR) else { continue }
                let index = Int(message.sequence &- first)
                guard index < isAnswered.count, !isAnswered[index] else { continue }
                isAnswered[index] = true
                missing -= 1
                let code = -NetlinkReader.number(message.body, at: 0, as: Int32.self)
                let entry = batch.entries[index]
                guard code != 0, !entry.accepted.contains(code), index < firstFailure?.index ?? .max else { continue }
                firstFailure = (index, KernelError(entry.operation, entry.subject, code: code))
            }
        }
        return firstFailure?.error
    }

    /// All messages that answer a request: one for a look-up, many for a dump.
    private func query(_ message: NetlinkMessage, isDump: Bool, _ what: String) throws(KernelError)
        -> [NetlinkReader.Message]
    {
        // A dump that a change has torn (NLM_F_DUMP_INTR) is taken again.
        for _ in 0..<8 {
            let result: Result<(messages: [NetlinkReader.Message], isTorn: Bool), KernelError> =
                sequence.withLock { next in
                    do throws(KernelError) {
                        let number = next
                        next &+= 1
                        return .success(try answers(to: message, number, isDump: isDump, what))
                    } catch {
                        return .failure(error)
                    }
                }
            let (messages, isTorn) = try result.get()
            if !isTorn { return messages }
        }
        throw KernelError("list", what, code: EAGAIN)
    }

    private func answers(to message: NetlinkMessage, _ number: UInt32, isDump: Bool, _ what: String)
        throws(KernelError) -> (messages: [NetlinkReader.Message], isTorn: Bool)
    {
        let flags = isDump ? NLM_F_REQUEST | NLM_F_DUMP : NLM_F_REQUEST
        try transport.send(message.finished(sequence: number, extraFlags: UInt16(flags)))
        var messages: [NetlinkReader.Message] = []
        var isTorn = false
        while true {
            for answer in NetlinkReader.messages(in: try transport.receive()) where answer.sequence == number {
                if answer.flags & UInt16(NLM_F_DUMP_INTR) != 0 { isTorn = true }
                switch answer.type {
                case UInt16(NLMSG_DONE): return (messages, isTorn)
                case UInt16(NLMSG_ERROR):
                    throw KernelError(
                        isDump ? "list" : "look up", what,
                        code: -NetlinkReader.number(answer.body, at: 0, as: Int32.self))
                default:
                    messages.append(answer)
                    if !isDump { return (messages, false) }
                }
            }
        }
    }

    private static func request(_ type: Int, fixedBytes: Int, family: UInt8 = 0) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type), flags: 0)
        message.append(family)
        for _ in 1..<fixedBytes { message.append(UInt8(0)) }
        return message
    }

    /// All links.
    public func links() throws(KernelError) -> [Link] {
        try query(Self.request(Int(RTM_GETLINK), fixedBytes: 16), isDump: true, "links").compactMap { Link($0.body) }
    }

    /// The link of that name; nil where there is none.
    public func link(named name: String) throws(KernelError) -> Link? {
        var message = Self.request(Int(RTM_GETLINK), fixedBytes: 16)
        message.attribute(Int(IFLA_IFNAME), name)
        do throws(KernelError) {
            return try query(message, isDump: false, "link \(name)").first.flatMap { Link($0.body) }
        } catch {
            if error.code == ENODEV { return nil }
            throw error
        }
    }

    /// All addresses, of both families.
    public func addresses() throws(KernelError) -> [LinkAddress] {
        try query(Self.request(Int(RTM_GETADDR), fixedBytes: 8), isDump: true, "addresses")
            .compactMap { LinkAddress($0.body) }
    }

    /// All routes of all tables and both families; with a protocol, only those.
    public func routes(protocol number: UInt8? = nil) throws(KernelError) -> [Route] {
        var routes: [Route] = []
        for family in [UInt8(AF_INET), UInt8(AF_INET6)] {
            let request = Self.request(Int(RTM_GETROUTE), fixedBytes: 12, family: family)
            do throws(KernelError) {
                routes += try query(request, isDump: true, "routes").compactMap { Route($0.body) }
            } catch {
                // A kernel without IPv6.
                guard family == UInt8(AF_INET6), error.code == EOPNOTSUPP || error.code == EAFNOSUPPORT else {
                    throw error
                }
            }
        }
        guard let number else { return routes }
        return routes.filter { $0.protocol == number }
    }

    /// The default route of the main table with the lowest metric.
    public func defaultRoute(isIPv6: Bool = false) throws(KernelError) -> Route? {
        try routes()
            .filter {
                $0.destination.isIPv4 != isIPv6 && $0.prefixLength == 0 && $0.table == 254 && $0.kind == .unicast
            }
            .min { $0.priority ?? 0 < $1.priority ?? 0 }
    }

    /// The address that this machine sends from by its default route; nil where it has none.
    public func defaultRouteSource(isIPv6: Bool = false) throws(KernelError) -> InetAddress? {
        guard let route = try defaultRoute(isIPv6: isIPv6) else { return nil }
        if let source = route.source { return source }
        guard let link = route.linkIndex else { return nil }
        let candidates = try addresses().filter {
            $0.linkIndex == link && $0.address.isIPv4 != isIPv6 && $0.scope == 0
        }
        // The one in the gateway's network, as the kernel would choose.
        if let gateway = route.gateway?.ipv4 {
            for candidate in candidates {
                guard let number = candidate.address.ipv4, candidate.prefixLength <= 32 else { continue }
                let mask = candidate.prefixLength == 0 ? 0 : UInt32.max << (32 - UInt32(candidate.prefixLength))
                if number & mask == gateway & mask { return candidate.address }
            }
        }
        return candidates.first?.address
    }
}
