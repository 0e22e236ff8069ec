import Glibc
import KubeAPI
import Kernel
import NodeAgent

/// The near end of something that is executed in a container: copies between its streams and ours until it has ended.
final class ExecClient {
    private static let chunk = 64 << 10

    private let socket: PacketSocket
    private let hasTerminal: Bool
    /// Whether our standard input still has something to give.
    private var givesInput: Bool
    /// The program's streams; -1 for none.
    private var input: Int32 = -1
    private var output: Int32 = -1
    private var errors: Int32 = -1
    /// On the way to the program.
    private var pending: [UInt8] = []
    private var exitCode: Int?
    private var size: (rows: UInt16, columns: UInt16)?

    /// Asks for it. Throws `CommandError` where nobody listens.
    init(folder: String, request: JSON, givesInput: Bool, hasTerminal: Bool) throws {
        self.givesInput = givesInput
        self.hasTerminal = hasTerminal
        var request = request
        if hasTerminal, let size = Self.windowSize() {
            self.size = size
            request["rows"] = .int(Int64(size.rows))
            request["columns"] = .int(Int64(size.columns))
        }
        do throws(KernelError) {
            socket = try PacketSocket(connectingIn: try FileDescriptor.folder(folder), name: ExecDoor.socketName)
            try socket.send(request.serialized())
        } catch {
            if error.code == EACCES {
                throw CommandError("cannot enter \(folder): permission denied; the node answers root only")
            }
            guard error.code == ENOENT || error.code == ECONNREFUSED else { throw CommandError("\(error)") }
            throw CommandError("no daemon listens at \(folder)/\(ExecDoor.socketName); start it by swiftlet up")
        }
    }

    /// Returns the program's exit code.
    func run() throws -> Int {
        var saved: termios?
        defer { if var saved { tcsetattr(STDIN_FILENO, TCSANOW, &saved) } }
        if hasTerminal, givesInput { saved = Self.makeRaw() }
        // The call that waits is to notice that the window has another size.
        signal(SIGWINCH) { _ in }
        while true {
            if let exitCode, output < 0, errors < 0 { return exitCode }
            try turn(waits: exitCode == nil)
            // What it wrote before its end lies in the streams; a child of it that holds them may live on.
            if let exitCode, !hasMore() { return exitCode }
        }
    }

    private func turn(waits: Bool) throws {
        var set = [pollfd(fd: socket.descriptor.raw, events: Int16(POLLIN), revents: 0)]
        func add(_ descriptor: Int32, _ events: Int32) {
            set.append(pollfd(fd: descriptor, events: Int16(events), revents: 0))
        }
        // A negative number is passed over.
        add(givesInput && pending.isEmpty && input >= 0 ? STDIN_FILENO : -1, POLLIN)
        add(pending.isEmpty ? -1 : input, POLLOUT)
        add(output, POLLIN)
        add(errors, POLLIN)
        guard poll(&set, nfds_t(set.count), waits ? -1 : 0) >= 0 || errno == EINTR else {
            throw CommandError("cannot wait: \(String(cString: strerror(errno)))")
        }
        followWindow()
        if set[1].revents != 0 { readInput() }
        if set[2].revents != 0 { writeInput() }
        if set[3].revents != 0 { copy(&output, to: STDOUT_FILENO) }
        if set[4].revents != 0 { copy(&errors, to: STDERR_FILENO) }
        if set[0].revents != 0 { try hear() }
    }

    /// Whether the program's outputs have something now.
    private func hasMore() -> Bool {
        var set = [output, errors].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        return poll(&set, nfds_t(set.count), 0) > 0
    }

    // MARK: the daemon

    private func hear() throws {
        while exitCode == nil {
            let packet: PacketSocket.Packet
            do throws(KernelError) {
                guard let next = try socket.receiveWithDescriptor(limit: ExecDoor.packetLimit) else { return }
                packet = next
            } catch {
                throw CommandError("the daemon does not answer: \(error)")
            }
            guard !packet.bytes.isEmpty else { throw CommandError("the daemon has ended; the program may go on") }
            let document = try JSON.parse(packet.bytes)
            if let why = document["error"].string { throw CommandError(why) }
            if let code = document["exitCode"].int { exitCode = code }
            guard let descriptor = packet.descriptor?.take()?.release() else { continue }
            switch document["stream"].string {
            case "stdin": input = descriptor
            case "stdout": output = descriptor
            case "stderr": errors = descriptor
            case "terminal":
                output = descriptor
                input = dup(descriptor)
            default: close(descriptor)
            }
        }
    }

    // MARK: the streams

    private func readInput() {
        var bytes = [UInt8](repeating: 0, count: Self.chunk)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        if count > 0 {
            pending = Array(bytes.prefix(count))
            return writeInput()
        }
        if count < 0, errno == EINTR || errno == EAGAIN { return }
        givesInput = false
        // The end of our input is that of the program's; a terminal has no end.
        if !hasTerminal { closeInput() }
    }

    private func writeInput() {
        let count = write(input, pending, pending.count)
        if count > 0 {
            pending.removeFirst(count)
        } else if count < 0, errno != EAGAIN, errno != EINTR {
            // It takes no more.
            pending = []
            closeInput()
        }
    }

    private func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    private func copy(_ source: inout Int32, to descriptor: Int32) {
        var bytes = [UInt8](repeating: 0, count: Self.chunk)
        let count = read(source, &bytes, bytes.count)
        if count > 0, Swiftlet.write(Array(bytes.prefix(count)), to: descriptor) { return }
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        // Its end (EIO, of a terminal that nobody holds any more), or nobody reads ours.
        close(source)
        source = -1
    }

    // MARK: the terminal

    private static func windowSize() -> (rows: UInt16, columns: UInt16)? {
        var size = winsize()
        for descriptor in [STDIN_FILENO, STDOUT_FILENO] {
            if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 { return (size.ws_row, size.ws_col) }
        }
        return nil
    }

    private func followWindow() {
        guard hasTerminal, let now = Self.windowSize(), size.map({ $0 != now }) ?? true else { return }
        size = now
        // The daemon has ended: then the next look at the socket says so.
        try? socket.send((["rows": .int(Int64(now.rows)), "columns": .int(Int64(now.columns))] as JSON).serialized())
    }

    /// Nil where our input is no terminal.
    private static func makeRaw() -> termios? {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else {
            Swiftlet.write(
                "Unable to use a TTY - input is not a terminal or the right kind of file\n", to: STDERR_FILENO)
            return nil
        }
        let saved = settings
        cfmakeraw(&settings)
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        return saved
    }
}
