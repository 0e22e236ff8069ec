import Glibc
import Kernel
import Synchronization

/// The daemon's end of one pod's supervisor: its process and the socket to it.
final class Supervisor: Sendable {
    enum Reply: Sendable {
        case container(SupervisorProtocol.ContainerReport)
        /// What was executed has a terminal.
        case terminal(SupervisorProtocol.ContainerReport, PassedDescriptor)
        /// With a container's input, if it takes any.
        case attached(SupervisorProtocol.AttachFlags, input: PassedDescriptor?)
        case done([SupervisorProtocol.ContainerReport])
        case failed(SupervisorProtocol.FailureReport)
        /// It is older than this request.
        case unknown
        /// It has died, or hung up.
        case gone
    }
    enum Event: Sendable {
        case exited(SupervisorProtocol.ContainerReport)
        /// The socket has ended while the process lives: it let us go because we did not listen.
        case hungUp
        case died
    }

    let pid: Int32
    private let pidfd: Pidfd
    private let socket: PacketSocket
    private let loop: EpollLoop
    private let onEvent: @Sendable (Event) -> Void

    private struct State {
        var nextRequest: UInt32 = 1
        var pending: [UInt32: @Sendable (Reply) -> Void] = [:]
        var listed: [UInt32: [SupervisorProtocol.ContainerReport]] = [:]
        var isConnected = true
        var isDead = false
        var deathWaiters: [UInt64: @Sendable (Bool) -> Void] = [:]
        var nextWaiter: UInt64 = 0
        var socketToken: EpollLoop.Token?
        var processToken: EpollLoop.Token?
    }
    private let state = Mutex(State())

    init(
        pid: Int32, pidfd: consuming Pidfd, socket: consuming PacketSocket, loop: EpollLoop,
        onEvent: @escaping @Sendable (Event) -> Void
    ) {
        self.pid = pid
        self.pidfd = pidfd
        self.socket = socket
        self.loop = loop
        self.onEvent = onEvent
    }

    /// Begins to listen. Apart from `init`, so that events can't come before their receiver is ready.
    func listen() throws(KernelError) {
        let socketToken = try loop.watch(socket.descriptor.raw) { [weak self] _ in self?.hear() }
        // Either may have called back before its token is known here.
        let isOver = state.withLock { state in
            if state.isConnected { state.socketToken = socketToken }
            return !state.isConnected
        }
        if isOver { loop.cancel(socketToken) }
        let processToken = try loop.watch(pidfd.descriptor.raw) { [weak self] _ in self?.processEnded() }
        let isEnded = state.withLock { state in
            if !state.isDead { state.processToken = processToken }
            return state.isDead
        }
        if isEnded { loop.cancel(processToken) }
    }

    /// Lets go of it; it goes on.
    func close() {
        let tokens = state.withLock { state in
            let tokens = [state.processToken, state.socketToken].compactMap(\.self)
            state.processToken = nil
            state.socketToken = nil
            return tokens
        }
        for token in tokens { loop.cancel(token) }
        disconnect()
    }

    var isAlive: Bool { state.withLock { !$0.isDead } }

    // MARK: asking

    /// Sends a request and waits for its answer.
    func ask(_ type: SupervisorProtocol.MessageType, body: [UInt8] = [], descriptors: [Int32] = []) async -> Reply {
        await withCheckedContinuation { continuation in
            ask(type, body: body, descriptors: descriptors) { continuation.resume(returning: $0) }
        }
    }

    /// Sends a request; the answer comes on the loop's thread, before any event that the supervisor had to tell after it.
    func ask(
        _ type: SupervisorProtocol.MessageType, body: [UInt8] = [], descriptors: [Int32] = [],
        _ answer: @escaping @Sendable (Reply) -> Void
    ) {
        let request = state.withLock { state -> UInt32? in
            guard state.isConnected, !state.isDead else { return nil }
            let request = state.nextRequest
            // 0 is for events.
            state.nextRequest = request == .max ? 1 : request + 1
            state.pending[request] = answer
            return request
        }
        guard let request else { return answer(.gone) }
        do throws(KernelError) {
            try socket.send(
                SupervisorProtocol.encode(type, request: request, body: body), descriptors: descriptors)
        } catch {
            if let answer = state.withLock({ $0.pending.removeValue(forKey: request) }) { answer(.gone) }
        }
    }

    /// Says something that has no answer.
    func tell(_ type: SupervisorProtocol.MessageType) {
        // One that does not hear it any more is about to be killed, or is dead.
        try? socket.send(SupervisorProtocol.encode(type, request: 0))
    }

    func kill() {
        try? pidfd.send(SIGKILL)
    }

    /// Waits for the end of the process; false after the time.
    func waitForDeath(_ limit: Duration) async -> Bool {
        await withCheckedContinuation { continuation in
            let waiter = state.withLock { state -> UInt64? in
                guard !state.isDead else { return nil }
                state.nextWaiter += 1
                state.deathWaiters[state.nextWaiter] = { continuation.resume(returning: $0) }
                return state.nextWaiter
            }
            guard let waiter else { return continuation.resume(returning: true) }
            loop.after(limit) { [weak self] in
                self?.state.withLock { $0.deathWaiters.removeValue(forKey: waiter) }?(false)
            }
        }
    }

    // MARK: hearing

    private func processEnded() {
        // What it has said before its end is still to be heard.
        hear()
        pidfd.reap()
        let isKnown = state.withLock { state in
            defer { state.isDead = true }
            return state.isDead
        }
        guard !isKnown else { return }
        let (token, waiters) = state.withLock { state in
            let waiters = Array(state.deathWaiters.values)
            state.deathWaiters = [:]
            let token = state.processToken
            state.processToken = nil
            return (token, waiters)
        }
        if let token { loop.cancel(token) }
        disconnect()
        for waiter in waiters { waiter(true) }
        onEvent(.died)
    }

    /// True the first time.
    @discardableResult
    private func disconnect() -> Bool {
        let (token, pending, isFirst) = state.withLock { state in
            let pending = Array(state.pending.values)
            let isFirst = state.isConnected
            let token = state.socketToken
            state.pending = [:]
            state.isConnected = false
            state.socketToken = nil
            return (token, pending, isFirst)
        }
        if let token { loop.cancel(token) }
        for answer in pending { answer(.gone) }
        return isFirst
    }

    private func hear() {
        while state.withLock({ $0.isConnected }) {
            let packet: PacketSocket.Packet?
            do throws(KernelError) {
                packet = try socket.receiveWithDescriptor(limit: SupervisorProtocol.packetLimit)
            } catch {
                packet = PacketSocket.Packet(bytes: [], descriptor: nil)
            }
            guard let packet else { return }
            if packet.bytes.isEmpty {
                if disconnect(), pidfd.isAlive() { onEvent(.hungUp) }
                return
            }
            for message in SupervisorProtocol.decode(packet.bytes) { take(message, packet.descriptor) }
        }
    }

    /// `descriptor`: what came with it.
    private func take(_ message: SupervisorProtocol.Message, _ descriptor: PassedDescriptor?) {
        switch (message.type, message.body) {
        case (.exited, .container(let report)): onEvent(.exited(report))
        case (.container, .container(let report)):
            state.withLock { $0.listed[message.request, default: []].append(report) }
        case (.started, .container(let report)):
            answer(message.request, descriptor.map { .terminal(report, $0) } ?? .container(report))
        case (.attached, .attached(let flags)): answer(message.request, .attached(flags, input: descriptor))
        case (.failed, .failure(let report)): answer(message.request, .failed(report))
        case (.done, _):
            let listed = state.withLock { $0.listed.removeValue(forKey: message.request) } ?? []
            answer(message.request, .done(listed))
        case (.unknown, _): answer(message.request, .unknown)
        default: break
        }
    }

    private func answer(_ request: UInt32, _ reply: Reply) {
        state.withLock { $0.pending.removeValue(forKey: request) }?(reply)
    }

    // MARK: finding one again

    /// Connects to the supervisor of a pod by its state folder; nil where none listens there. Blocks until it has said
    /// who it is, at most that long.
    static func connect(folder path: String, podUID: String, timeoutMs: Int32) -> Connection? {
        guard let folder = try? FileDescriptor.folder(path),
            let socket = try? PacketSocket(connectingIn: folder, name: RuntimePaths.socketName)
        else { return nil }
        var poll = pollfd(fd: socket.descriptor.raw, events: Int16(POLLIN), revents: 0)
        guard Glibc.poll(&poll, 1, timeoutMs) == 1,
            let packet = try? socket.receive(limit: SupervisorProtocol.packetLimit),
            let first = SupervisorProtocol.decode(packet).first, case .hello(let hello) = first.body,
            SupervisorProtocol.majors.contains(hello.major), hello.podUID == podUID,
            let pidfd = try? Pidfd(pid: hello.pid), pidfd.isAlive()
        else { return nil }
        // It has not ended since it said hello, so that its pid is still its own.
        poll.revents = 0
        poll.events = 0
        guard Glibc.poll(&poll, 1, 0) == 0 else { return nil }
        return Connection(pid: hello.pid, pidfd: pidfd, socket: socket)
    }

    struct Connection: ~Copyable {
        let pid: Int32
        let pidfd: Pidfd
        let socket: PacketSocket

        /// Ends it without a word.
        func kill() {
            // An ended one is fine.
            try? pidfd.send(SIGKILL)
        }

        consuming func supervisor(
            loop: EpollLoop, onEvent: @escaping @Sendable (Event) -> Void
        ) -> Supervisor {
            Supervisor(pid: pid, pidfd: pidfd, socket: socket, loop: loop, onEvent: onEvent)
        }
    }
}
