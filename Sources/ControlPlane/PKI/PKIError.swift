/// A file of the PKI is unusable. Names the file and the cause; nothing was replaced.
public struct PKIError: Error, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
