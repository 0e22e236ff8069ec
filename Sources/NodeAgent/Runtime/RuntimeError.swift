import Kernel

/// What the runtime could not do, in words for the pod's status and events.
public struct RuntimeError: Error, Sendable, CustomStringConvertible {
    public enum Reason: Sendable, Equatable {
        /// There is no such sandbox or container.
        case notFound
        /// The sandbox's supervisor has died: the sandbox can only be removed.
        case sandboxDead
        /// The specification can't be run as it is; trying again will not help.
        case invalidSpec
        /// All addresses of the node's pod range are given.
        case noAddressLeft
        /// The program could not be started. `exitCode` as a shell has it: 127 not found, 126 not executable, 128 else.
        case cannotStart(exitCode: Int)
        /// The kernel refused; trying again may help.
        case system
    }
    public let reason: Reason
    /// Lower case, without a full stop.
    public let message: String
    /// What the kernel said, where that is the cause.
    public let cause: KernelError?
    /// What could not be undone after that, each in its own words: it is tried again at the next start.
    public var cleanUpFailures: [String] = []

    public init(_ reason: Reason, _ message: String, cause: KernelError? = nil) {
        self.reason = reason
        self.message = message
        self.cause = cause
    }

    public var description: String {
        let text = cause.map { "\(message): \($0)" } ?? message
        return cleanUpFailures.isEmpty ? text : text + " (and then: " + cleanUpFailures.joined(separator: "; ") + ")"
    }
}
