/// How far a single question got, and what ended it. The caller has its own words for it.
public struct DialError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was being waited for.
    public enum Stage: Sendable, Equatable {
        case connection, answer, body
    }
    public enum Cause: Sendable, Equatable {
        case timedOut
        case cancelled
        /// An errno.
        case system(Int32)
        /// The other side has closed.
        case closed
        /// What came is not what was asked for; with the library's words.
        case malformed(String)
        /// TLS did not come about.
        case tls(String)
        /// The name has no address.
        case unresolved(String)
        /// Nothing can be sent like that.
        case unusable(String)
    }

    public let stage: Stage
    public let cause: Cause

    public init(_ stage: Stage, _ cause: Cause) {
        self.stage = stage
        self.cause = cause
    }

    public var description: String { "\(stage): \(cause)" }
}
