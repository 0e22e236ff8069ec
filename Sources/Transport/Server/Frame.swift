import NIOCore
import Synchronization

/// Bytes that go to many streams: framed as an HTTP chunk once, on first use, and shared by all of them.
public final class Frame: Sendable {
    /// The bytes without framing.
    public let bytes: [UInt8]
    private let framed = Mutex<ByteBuffer?>(nil)

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The bytes as one chunk of `Transfer-Encoding: chunked`.
    var chunk: ByteBuffer {
        framed.withLock { framed in
            if let framed { return framed }
            var buffer = ByteBufferAllocator().buffer(capacity: bytes.count + 12)
            buffer.writeString(String(bytes.count, radix: 16))
            buffer.writeStaticString("\r\n")
            buffer.writeBytes(bytes)
            buffer.writeStaticString("\r\n")
            framed = buffer
            return buffer
        }
    }
}
