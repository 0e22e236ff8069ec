import Glibc
import KubeAPI
import Logging

/// Writes each entry as one line to standard error: time, level, message, then `key=value` sorted by key.
///
/// Standard error, because standard output belongs to what a command was asked for.
struct ConsoleLog: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]
    let label: String

    init(label: String, level: Logger.Level) {
        self.label = label
        self.logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = "\(Timestamp.now().micro) \(Self.letter(event.level)) \(label): \(event.message)"
        let all = event.metadata.map { metadata.merging($0) { _, new in new } } ?? metadata
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line += " \(key)=\(Self.quoted("\(value)"))"
        }
        if let error = event.error { line += " err=\(Self.quoted("\(error)"))" }
        line += "\n"
        // One write per entry, so that entries of different threads never mix; a full disk must not stop the daemon.
        _ = Array(line.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func letter(_ level: Logger.Level) -> String {
        switch level {
        case .trace: "T"
        case .debug: "D"
        case .info, .notice: "I"
        case .warning: "W"
        case .error: "E"
        case .critical: "C"
        }
    }

    /// Values with spaces, quotes or control characters are quoted, so that a line stays one line and can be split.
    private static func quoted(_ value: String) -> String {
        let needsQuotes = value.isEmpty || value.utf8.contains { $0 <= 0x20 || $0 == UInt8(ascii: "\"") || $0 == 0x7f }
        return needsQuotes ? String(decoding: JSON.string(value).serialized(), as: UTF8.self) : value
    }
}
