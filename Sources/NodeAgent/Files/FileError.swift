import Glibc

/// A file operation that failed: `cannot open /x/y: no such file or directory`.
public struct FileError: Error, CustomStringConvertible {
    public let operation: String
    public let path: String
    /// The errno of the call.
    public let code: Int32

    public init(_ operation: String, _ path: String, code: Int32 = errno) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    public var description: String { "cannot \(operation) \(path): \(Self.words(code))" }

    /// The system's words for an errno, in lower case at their beginning as all our messages.
    static func words(_ code: Int32) -> String {
        let text = String(cString: strerror(code))
        return text.prefix(1).lowercased() + text.dropFirst()
    }
}
