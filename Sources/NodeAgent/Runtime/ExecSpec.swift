import Transport

/// What is executed in a running container, as its user and with its rights, in its cgroups and namespaces.
public struct ExecSpec: Sendable, Equatable {
    /// The program and its arguments; a program without a slash is looked up in the container's PATH.
    public var args: [String]
    /// `NAME=value` each: added to the container's own, or in the place of those of the same name.
    public var env: [String]
    /// Nil is the container's.
    public var workingDir: String?
    /// One terminal in the place of the three streams.
    public var tty: Bool
    /// The terminal's, from the program's beginning on; nil where nobody has said yet.
    public var window: TerminalSize?
    /// Which streams are wanted; the others lead nowhere. Of no account with a terminal.
    public var stdin: Bool
    public var stdout: Bool
    public var stderr: Bool

    public init(
        args: [String], env: [String] = [], workingDir: String? = nil, tty: Bool = false,
        window: TerminalSize? = nil, stdin: Bool = false, stdout: Bool = true, stderr: Bool = true
    ) {
        self.args = args
        self.env = env
        self.workingDir = workingDir
        self.tty = tty
        self.window = window
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
    }
}

/// How something that was executed in a container has ended.
public struct ExecExit: Sendable, Equatable {
    /// The exit code; 128 + the signal for one that a signal ended.
    public let exitCode: Int
    /// The signal that ended it, 0 for none.
    public let signal: Int
    /// Nobody saw it end: the pod's supervisor is gone. The code is then 137.
    public let isLost: Bool

    public init(exitCode: Int, signal: Int = 0, isLost: Bool = false) {
        self.exitCode = exitCode
        self.signal = signal
        self.isLost = isLost
    }

    static let lost = ExecExit(exitCode: 137, signal: 9, isLost: true)
}

/// What came of something that was executed for its answer.
public struct RunOutcome: Sendable, Equatable {
    public let exit: ExecExit
    /// What it wrote to its two outputs, in that order, up to the limit.
    public let output: [UInt8]
    /// It was killed when its time was over.
    public let isTimedOut: Bool
}

/// Which of a container's streams to attach to.
public struct AttachSpec: Sendable, Equatable {
    public var stdin: Bool
    public var stdout: Bool
    public var stderr: Bool

    public init(stdin: Bool = false, stdout: Bool = true, stderr: Bool = true) {
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
    }
}

/// The streams of a session, as the daemon holds them.
public enum SessionStream: Sendable, Hashable {
    /// To be written to; its close is the end of the program's input.
    case stdin
    /// To be read.
    case stdout, stderr
    /// To be read and written to: all there is of an execution with a terminal.
    case terminal
}
