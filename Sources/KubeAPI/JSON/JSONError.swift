/// Bytes that are not JSON, in the words of Go's `encoding/json`, which Kubernetes' clients know.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// `invalid character '}' looking for beginning of value`
    public let message: String
    /// Where, in bytes from the start of the text.
    public let offset: Int

    public init(_ message: String, offset: Int) {
        self.message = message
        self.offset = offset
    }

    public var description: String { "\(message) (offset \(offset))" }
}
