import Glibc
import KubeAPI
import Kernel
import Logging
import Synchronization
import Transport

/// Executes programs in containers for commands on this machine. They get the program's own streams, as descriptors: no
/// byte passes through the daemon.
///
/// One connection is one execution. The client asks by a document, gets a document for each stream with its descriptor
/// beside it, then `{"exitCode": N}`; meanwhile it may tell its terminal's size. A refusal is `{"error": "…"}`.
public final class ExecDoor: Sendable {
    /// Of one document; the command line is in it.
    public static let packetLimit = 128 << 10
    /// The socket's name in its folder.
    public static let socketName = "exec.sock"

    private let listener: FileDescriptor
    private let loop: EpollLoop
    private let runtime: any ContainerRuntime
    private let log: Logger
    private let pods: @Sendable () -> [PodSnapshot]
    private let token = Mutex<EpollLoop.Token?>(nil)

    /// Makes the folder, which only its owner may enter, and listens in it.
    init(
        folder: String, loop: EpollLoop, runtime: any ContainerRuntime, log: Logger,
        pods: @escaping @Sendable () -> [PodSnapshot]
    ) throws(KernelError) {
        try FileTree.makeFolders(folder, mode: 0o700)
        // Left by an earlier daemon.
        unlink(folder + "/" + Self.socketName)
        listener = try PacketSocket.listen(in: try FileDescriptor.folder(folder), name: Self.socketName)
        self.loop = loop
        self.runtime = runtime
        self.log = log
        self.pods = pods
        let token = try loop.watch(listener.raw) { [weak self] _ in self?.accept() }
        self.token.withLock { $0 = token }
    }

    deinit { if let token = token.withLock({ $0 }) { loop.cancel(token) } }

    private func accept() {
        do throws(KernelError) {
            guard let socket = try PacketSocket.accept(listener) else { return }
            try ExecVisit(socket, loop: loop, runtime: runtime, pods: pods).begin()
        } catch {
            log.warning("cannot hear a command on this machine", metadata: ["err": "\(error)"])
        }
    }
}

/// One who wants something executed.
private final class ExecVisit: Sendable {
    private let socket: PacketSocket
    private let loop: EpollLoop
    private let runtime: any ContainerRuntime
    private let pods: @Sendable () -> [PodSnapshot]
    private struct State {
        var token: EpollLoop.Token?
        var hasAsked = false
        var session: ExecSession?
        var hasTerminal = false
    }
    private let state = Mutex(State())

    init(
        _ socket: consuming PacketSocket, loop: EpollLoop, runtime: any ContainerRuntime,
        pods: @escaping @Sendable () -> [PodSnapshot]
    ) {
        self.socket = socket
        self.loop = loop
        self.runtime = runtime
        self.pods = pods
    }

    /// Lives until the other end hangs up.
    func begin() throws(KernelError) {
        let token = try loop.watch(socket.descriptor.raw) { _ in self.hear() }
        state.withLock { $0.token = token }
    }

    private func hear() {
        while true {
            do throws(KernelError) {
                guard let packet = try socket.receive(limit: ExecDoor.packetLimit) else { return }
                if packet.isEmpty { return hungUp() }
                heard(packet)
            } catch {
                return hungUp()
            }
        }
    }

    private func heard(_ packet: [UInt8]) {
        guard let document = try? JSON.parse(packet) else { return refuse("the request is no JSON document") }
        let (isFirst, session) = state.withLock { state in
            defer { state.hasAsked = true }
            return (!state.hasAsked, state.session)
        }
        if isFirst {
            Task { await self.execute(document) }
        } else if let session {
            resize(session, document)
        }
    }

    private func resize(_ session: ExecSession, _ document: JSON) {
        guard let size = Self.window(document) else { return }
        session.resize(rows: size.height, columns: size.width)
    }

    private static func window(_ document: JSON) -> TerminalSize? {
        guard let rows = document["rows"].int, let columns = document["columns"].int else { return nil }
        return TerminalSize(width: UInt16(clamping: columns), height: UInt16(clamping: rows))
    }

    /// A program without a terminal goes on until it minds that nobody reads what it writes.
    private func hungUp() {
        let (token, session) = state.withLock { state in
            defer {
                state.token = nil
                state.session = nil
            }
            return (state.token, state.hasTerminal ? state.session : nil)
        }
        if let token { loop.cancel(token) }
        guard let session else { return }
        Task {
            // One that has ended needs no word.
            try? await session.signal(SIGHUP)
        }
    }

    private func execute(_ document: JSON) async {
        do {
            let target = try NodeTarget.find(
                document["target"].stringValue, container: document["container"].string, in: pods())
            let name = target.container ?? target.defaultContainer
            guard let run = target.run ?? target.pod.state.run(of: name), run.isRunning else {
                return refuse("container \"\(name)\" of pod \(target.pod.pod.key) does not run")
            }
            let hasTerminal = document["tty"].bool ?? false
            let session = try await runtime.exec(
                podUID: target.pod.pod.uid, containerID: run.id,
                ExecSpec(
                    args: document["command"].items.compactMap(\.string), tty: hasTerminal,
                    window: Self.window(document), stdin: document["stdin"].bool ?? false))
            state.withLock { state in
                state.session = session
                state.hasTerminal = hasTerminal
            }
            // Again, for a supervisor of an older version: it has passed over the size.
            resize(session, document)
            for stream in [SessionStream.stdin, .stdout, .stderr, .terminal] { hand(stream, of: session) }
            let exit = await session.exit()
            say(["exitCode": .int(Int64(exit.exitCode)), "isLost": .bool(exit.isLost)])
        } catch {
            refuse("\(error)")
        }
    }

    private func hand(_ stream: SessionStream, of session: ExecSession) {
        guard let descriptor = session.take(stream) else { return }
        say(["stream": .string("\(stream)")], descriptors: [descriptor.raw])
        // Ours is closed here: the other end has its own.
        _ = consume descriptor
    }

    private func refuse(_ why: String) { say(["error": .string(why)]) }

    private func say(_ document: JSON, descriptors: [Int32] = []) {
        // Nobody is there any more, or it does not listen: either way it has hung up soon.
        try? socket.send(document.serialized(), descriptors: descriptors)
    }
}
