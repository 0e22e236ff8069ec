import CLinux
import Glibc

/// A network namespace by a descriptor: it lives as long as a process or a descriptor is in it.
public struct NetworkNamespace: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    public init(owning descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// That of the calling thread.
    public static func current() throws(KernelError) -> NetworkNamespace {
        NetworkNamespace(owning: try FileDescriptor.open("/proc/thread-self/ns/net", O_RDONLY))
    }

    /// That of a process.
    public static func ofProcess(_ pid: Int32) throws(KernelError) -> NetworkNamespace {
        NetworkNamespace(owning: try FileDescriptor.open("/proc/\(pid)/ns/net", O_RDONLY))
    }

    /// Makes one. The calling thread is in it for a moment: never call this where a task may be suspended in between,
    /// which synchronous code can't be.
    public static func make() throws(KernelError) -> NetworkNamespace {
        let home = try current()
        try check(swl_unshare(Int32(SWL_CLONE_NEWNET)), "create", "network namespace")
        defer { returnHome(home) }
        return try current()
    }

    /// Runs the body with the calling thread in this namespace: sockets that it opens stay there.
    public borrowing func enter<Value: ~Copyable>(_ body: () throws(KernelError) -> Value) throws(KernelError) -> Value
    {
        let home = try Self.current()
        try Self.check(swl_setns(descriptor.raw, Int32(SWL_CLONE_NEWNET)), "enter", "network namespace")
        defer { Self.returnHome(home) }
        return try body()
    }

    private static func returnHome(_ home: borrowing NetworkNamespace) {
        // A thread that is lost in a pod's network would answer for the node from there.
        let result = swl_setns(home.descriptor.raw, Int32(SWL_CLONE_NEWNET))
        if result < 0 { fatalError("cannot return to the node's network namespace: \(KernelError.words(-result))") }
    }

    private static func check(_ result: Int32, _ operation: String, _ subject: String) throws(KernelError) {
        guard result >= 0 else { throw KernelError(operation, subject, code: -result) }
    }
}
