import Glibc
import Kernel
import Synchronization
import Transport

/// Makes connections to ports of pods, from within their network namespaces: what listens on the pod's loopback alone is
/// reached as well.
struct PodSockets: Sendable {
    /// For what enters namespaces.
    let threads: WorkerThreads
    /// Waits for connections that take their time.
    let loop: EpollLoop

    /// For a connection within one machine.
    private static let limit = Duration.seconds(10)

    /// As containerd tries them.
    private static let loopbacks: [(family: String, literal: String, address: InetAddress?)] = [
        ("IPv4: dial tcp4", "127.0.0.1", InetAddress("127.0.0.1")), ("IPv6 dial tcp6", "[::1]", InetAddress("::1")),
    ]

    /// A connected socket, which the caller closes; fails in the words that a client of port-forward shows.
    ///
    /// - Parameter supervisor: a process in the pod's namespace.
    func connect(supervisor: Int32, port: UInt16) async -> Result<Int32, PortForwardFailure> {
        var problems: [String] = []
        for (family, literal, address) in Self.loopbacks {
            guard let address else { continue }
            do throws(KernelError) {
                return .success(try await connect(supervisor, address, port))
            } catch {
                problems.append("\(family) \(literal):\(port): connect: \(KernelError.words(error.code))")
            }
        }
        return .failure(
            PortForwardFailure(
                "failed to connect to localhost:\(port) inside the pod's network namespace, "
                    + problems.joined(separator: " ")))
    }

    private func connect(_ supervisor: Int32, _ address: InetAddress, _ port: UInt16) async throws(KernelError) -> Int32
    {
        let (socket, isPending) = try await threads.run { () throws(KernelError) -> (Int32, Bool) in
            let socket = try NetworkNamespace.ofProcess(supervisor).connect(to: address, port: port)
            let isPending = socket.isPending
            return (socket.release(), isPending)
        }
        guard isPending else { return socket }
        do throws(KernelError) {
            guard try await becomesWritable(socket) else {
                throw KernelError("connect to", "\(address) port \(port)", code: ETIMEDOUT)
            }
            try ConnectingSocket.check(socket, "\(address) port \(port)")
            return socket
        } catch {
            close(socket)
            throw error
        }
    }

    /// False after the time.
    private func becomesWritable(_ socket: Int32) async throws(KernelError) -> Bool {
        let box = Once()
        let token = try loop.watch(socket, [.writable, .oneShot]) { _ in box.resume(true) }
        let timer = loop.after(Self.limit) { box.resume(false) }
        let isWritable = await withCheckedContinuation { box.wait($0) }
        loop.cancel(token)
        loop.cancelTimer(timer)
        return isWritable
    }
}

/// Takes the first of several answers, which may come before it is asked for.
private final class Once: Sendable {
    private enum State {
        case nothing
        case waiting(CheckedContinuation<Bool, Never>)
        case answered(Bool)
    }
    private let state = Mutex(State.nothing)

    func resume(_ value: Bool) {
        let waiter = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard case .waiting(let continuation) = state else {
                if case .nothing = state { state = .answered(value) }
                return nil
            }
            state = .answered(value)
            return continuation
        }
        waiter?.resume(returning: value)
    }

    func wait(_ continuation: CheckedContinuation<Bool, Never>) {
        let answer = state.withLock { state -> Bool? in
            if case .answered(let value) = state { return value }
            state = .waiting(continuation)
            return nil
        }
        if let answer { continuation.resume(returning: answer) }
    }
}
