import KubeAPI

/// Which streams a client of exec or attach wants.
public struct RemoteCommandOptions: Sendable, Equatable {
    public var stdin: Bool
    public var stdout: Bool
    public var stderr: Bool
    public var tty: Bool

    public init(stdin: Bool, stdout: Bool, stderr: Bool, tty: Bool) {
        self.stdin = stdin
        self.stdout = stdout
        // A terminal has one output.
        self.stderr = stderr && !tty
        self.tty = tty
    }

    /// As the kubelet's API has them in the query: `input`, `output`, `error`, `tty`, each `1`.
    public init(query: [(name: String, value: String)]) throws(StatusError) {
        func isSet(_ name: String) -> Bool { query.first { $0.name == name }?.value == "1" }
        self.init(
            stdin: isSet("input"), stdout: isSet("output"), stderr: isSet("error"), tty: isSet("tty"))
        guard stdin || stdout || stderr else {
            throw .badRequest("you must specify at least 1 of stdin, stdout, stderr")
        }
    }

    /// The form that `init(query:)` reads.
    public var query: [(name: String, value: String)] {
        [("input", stdin), ("output", stdout), ("error", stderr), ("tty", tty)].filter(\.1).map { ($0.0, "1") }
    }
}

/// The size of a client's terminal, in characters.
public struct TerminalSize: Sendable, Equatable {
    public var width: UInt16
    public var height: UInt16

    public init(width: UInt16, height: UInt16) {
        self.width = width
        self.height = height
    }
}

/// How a command ended, as its client is told.
public enum RemoteCommandOutcome: Sendable, Equatable {
    case succeeded
    /// `text` says which command it was.
    case exited(code: Int, text: String)
    /// It could not be run, or nobody knows how it ended.
    case failed(String)

    /// The Status of the error stream, from the fourth version of the protocol on.
    var status: JSON {
        switch self {
        case .succeeded: ["metadata": .emptyObject, "status": "Success"]
        case .exited(let code, let text):
            [
                "metadata": .emptyObject, "status": "Failure", "reason": "NonZeroExitCode",
                "message": .string("command terminated with non-zero exit code: \(text)"),
                "details": ["causes": [["reason": "ExitCode", "message": .string(String(code))]]],
            ]
        case .failed(let text): StatusError.internalError(text).json
        }
    }

    /// The text of earlier versions; nil says that all is well.
    var text: String? {
        switch self {
        case .succeeded: nil
        case .exited(_, let text): "command terminated with non-zero exit code: \(text)"
        case .failed(let text): StatusError.internalError(text).message
        }
    }
}
