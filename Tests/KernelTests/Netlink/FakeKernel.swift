import Glibc
import Synchronization

@testable import Kernel

/// The kernel's end of a netlink socket: keeps what it is sent and answers by a script.
final class FakeKernel: NetlinkTransport {
    struct Request {
        let type: UInt16
        let flags: UInt16
        let sequence: UInt32
        let body: [UInt8]
    }
    private struct State {
        var requests: [Request] = []
        var answers: [[UInt8]] = []
    }
    private let state = Mutex(State())
    private let script: @Sendable ([Request]) -> [[UInt8]]

    /// The script turns the messages of a datagram into datagrams.
    init(_ script: @escaping @Sendable ([Request]) -> [[UInt8]]) { self.script = script }

    var requests: [Request] { state.withLock { $0.requests } }

    func send(_ datagram: [UInt8]) throws(KernelError) {
        let requests = NetlinkReader.messages(in: datagram).map {
            Request(type: $0.type, flags: $0.flags, sequence: $0.sequence, body: Array($0.body))
        }
        let answers = script(requests)
        state.withLock {
            $0.requests += requests
            $0.answers += answers
        }
    }

    func receive() throws(KernelError) -> [UInt8] {
        let next = state.withLock { $0.answers.isEmpty ? nil : $0.answers.removeFirst() }
        // A real one would wait for ever.
        guard let next else { throw KernelError("receive from", "script", code: ENODATA) }
        return next
    }

    /// NLMSG_ERROR (2); 0 acknowledges.
    static func answer(_ request: Request, code: Int32 = 0) -> [UInt8] {
        var message = NetlinkMessage(type: 2, flags: 0)
        message.append(-code)
        return message.finished(sequence: request.sequence, extraFlags: 0)
    }

    /// NLMSG_DONE (3).
    static func done(_ request: Request, flags: UInt16 = 0) -> [UInt8] {
        var message = NetlinkMessage(type: 3, flags: flags)
        message.append(Int32(0))
        return message.finished(sequence: request.sequence, extraFlags: 0)
    }

    static func message(_ type: Int, _ request: Request, flags: UInt16 = 0, _ body: (inout NetlinkMessage) -> Void)
        -> [UInt8]
    {
        var message = NetlinkMessage(type: UInt16(type), flags: flags)
        body(&message)
        return message.finished(sequence: request.sequence, extraFlags: 0)
    }

    static func link(_ request: Request, index: Int32, name: String, mtu: UInt32 = 1500) -> [UInt8] {
        message(RTM_NEWLINK_, request) { message in
            message.append(UInt32(0))
            message.append(index)
            message.append(UInt32(IFF_UP))
            message.append(UInt32(0))
            message.attribute(3, name)
            message.attribute(4, mtu)
        }
    }
}

// Their values in <linux/rtnetlink.h>: tests do not import the shim.
let RTM_NEWLINK_ = 16
let RTM_DELLINK_ = 17
let RTM_SETLINK_ = 19
let RTM_NEWROUTE_ = 24
