import CLinux

/// Calls for loops that move bytes, with plain results: a descriptor or count, or a negative errno.
public enum ForwardingCalls {
    /// Accepts one connection, close-on-exec and not blocking. The peer's address is written to the buffer.
    public static func accept(_ listener: Int32, _ address: UnsafeMutableRawPointer, capacity: Int) -> Int32 {
        swl_accept(listener, address, capacity)
    }

    /// A pipe that doesn't block, of that size where the system allows it; 0 or a negative errno.
    public static func pipe(_ ends: inout (read: Int32, write: Int32), sizeBytes: Int32) -> Int32 {
        var raw: (Int32, Int32) = (-1, -1)
        let code = withUnsafeMutablePointer(to: &raw) { pointer in
            pointer.withMemoryRebound(to: Int32.self, capacity: 2) { swl_pipe($0, sizeBytes) }
        }
        ends = (raw.0, raw.1)
        return code
    }

    /// Moves bytes between a socket and a pipe without copying them.
    public static func splice(from source: Int32, to target: Int32, upTo count: Int) -> Int {
        swl_splice(source, target, count)
    }
}
