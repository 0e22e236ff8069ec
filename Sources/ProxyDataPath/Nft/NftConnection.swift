import CNetfilter
import Glibc
import Kernel
import KubeAPI
import Synchronization

/// A netlink socket to nf_tables, in the network namespace of the thread that opens it, kept open: closing one after a
/// deletion waits 15–25 ms for the kernel's clean-up.
final class NftConnection: NftKernel {
    /// A batch must fit the send buffer in one piece: this holds the largest set swap.
    private static let sendBufferBytes: Int32 = 128 << 20
    private static let receiveBufferBytes: Int32 = 4 << 20

    private struct State: ~Copyable {
        var encoder = NftEncoder()
        var receiver = NftReceiver()
        var timing = Timing()
    }
    /// How long the last transaction took in the kernel: from sendmsg to the last answer.
    struct Timing: Sendable {
        var lastNanos: UInt64 = 0
        var lastBytes = 0
    }

    private let family: IPAddress.Family
    private let socket: NetlinkSocket
    private let state = Mutex(State())

    /// Reads tables of that family; writes those of the transactions'.
    init(_ family: IPAddress.Family = .ipv4) throws(KernelError) {
        self.family = family
        socket = try NetlinkSocket(
            protocol: NETLINK_NETFILTER, receiveBufferBytes: Self.receiveBufferBytes)
        var size = Self.sendBufferBytes
        // Without the right to force it, what the system allows must do; EMSGSIZE will say so.
        if setsockopt(socket.descriptor.raw, SOL_SOCKET, SO_SNDBUFFORCE, &size, 4) != 0 {
            setsockopt(socket.descriptor.raw, SOL_SOCKET, SO_SNDBUF, &size, 4)
        }
    }

    /// The number by which the kernel names this socket to those who listen to changes.
    var port: UInt32 {
        var address = sockaddr_nl()
        var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(socket.descriptor.raw, $0, &length)
            }
        }
        return result == 0 ? address.nl_pid : 0
    }

    var timing: Timing { state.withLock { $0.timing } }

    func apply(_ transaction: NftTransaction) throws(KernelError) {
        guard !transaction.isEmpty else { return }
        let failure: KernelError? = state.withLock { state in
            state.encoder.encode(transaction)
            let started = monotonicNanos()
            do throws(KernelError) {
                try exchange(transaction, &state)
            } catch {
                return error
            }
            state.timing = Timing(lastNanos: monotonicNanos() - started, lastBytes: state.encoder.buffer.count)
            return nil
        }
        if let failure { throw failure }
    }

    private func exchange(_ transaction: NftTransaction, _ state: inout State) throws(KernelError) {
        let encoder = state.encoder.buffer.bytes
        let count = state.encoder.buffer.count
        // Answers of an earlier batch that failed half-way would be taken for this one's.
        state.receiver.discardAll(socket.descriptor.raw)
        while send(socket.descriptor.raw, encoder, count, 0) < 0 {
            if errno != EINTR { throw KernelError("send", "\(count) bytes to nf_tables") }
        }
        // The kernel has done all before send returned, and its answers wait: failures, then that of the last message.
        let first = state.encoder.firstSequence
        let last = state.encoder.lastSequence
        var failure: KernelError?
        var isAnswered = false
        while let datagram = try state.receiver.receive(socket.descriptor.raw, wait: !isAnswered && failure == nil) {
            datagram.forEachMessage { message in
                guard message.type == UInt16(NLMSG_ERROR), message.sequence &- first <= last &- first else { return }
                if message.sequence == last { isAnswered = true }
                let code = -message.error
                guard code != 0, failure == nil else { return }
                let number = Int(message.sequence &- first) - 1
                guard number >= 0, number < state.encoder.operationOfMessage.count else {
                    // The batch as a whole: a wrong generation, no right to do it, no memory.
                    failure = KernelError("change", "table \(transaction.table)", code: code)
                    return
                }
                let (operation, subject) = transaction.subject(
                    transaction.operations[state.encoder.operationOfMessage[number]])
                failure = KernelError(operation, subject, code: code)
            }
        }
        if let failure { throw failure }
    }

    // MARK: reading

    func dump(table: String) throws(KernelError) -> AppliedState? {
        // A dump into which a change has come is taken again.
        for _ in 0..<16 {
            let result: Result<AppliedState??, KernelError> = state.withLock { state in
                do throws(KernelError) {
                    var reader = NftTableReader(table: table, family: family, socket: socket.descriptor.raw)
                    return .success(try reader.read(&state.receiver))
                } catch {
                    return .failure(error)
                }
            }
            do throws(KernelError) {
                if case .some(let state) = try result.get() { return state }
            } catch {
                guard error.code == EINTR || error.code == ENOBUFS else { throw error }
            }
        }
        throw KernelError("read", "table \(table)", code: EAGAIN)
    }

    /// The names of all tables of the family.
    func tables() throws(KernelError) -> [String] {
        let result: Result<[String], KernelError> = state.withLock { state in
            do throws(KernelError) {
                var reader = NftTableReader(table: "", family: family, socket: socket.descriptor.raw)
                return .success(try reader.tables(&state.receiver))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

func monotonicNanos() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
}
