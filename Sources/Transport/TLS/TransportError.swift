/// What the transport could not do, to whom, and why.
public struct TransportError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// Certificates, keys or addresses that were handed in are unusable.
        case invalidConfiguration
        /// The address or socket path is taken.
        case addressInUse
        /// Any other failure to listen.
        case cannotListen
        /// No connection could be made; nothing was sent.
        case cannotConnect
        /// The server's name has no address; nothing was sent.
        case unknownHost
        /// The server's certificate is not to be believed.
        case untrustedServer
        /// The connection broke before the answer was complete.
        case connectionLost
        /// The deadline has passed.
        case timedOut
        /// The answer exceeds the limit that the caller has set.
        case tooLarge
        /// What came is not HTTP as we understand it.
        case malformedAnswer
    }

    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
