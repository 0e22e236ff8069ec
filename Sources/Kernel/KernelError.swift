import Glibc

/// A call that the kernel refused: `cannot create link swl0000a: file exists`.
public struct KernelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was tried, as a verb: `open`, `create link`.
    public let operation: String
    /// On what: a path, a name.
    public let subject: String
    /// The errno.
    public let code: Int32

    public init(_ operation: String, _ subject: String, code: Int32) {
        self.operation = operation
        self.subject = subject
        self.code = code
    }

    /// With the errno of the call just made.
    public init(_ operation: String, _ subject: String) {
        self.init(operation, subject, code: errno)
    }

    public var description: String {
        "cannot \(operation)\(subject.isEmpty ? "" : " " + subject): \(KernelError.words(code))"
    }

    /// The system's words for an errno, in lower case at their beginning.
    public static func words(_ code: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        let text = buffer.withUnsafeMutableBufferPointer { buffer -> String in
            guard let base = buffer.baseAddress, strerror_r(code, base, buffer.count) == 0 else {
                return "errno \(code)"
            }
            return String(cString: base)
        }
        return text.prefix(1).lowercased() + text.dropFirst()
    }
}
