import CLinux
import Glibc

/// A process by a descriptor, which can't come to mean another one as a pid can.
public struct Pidfd: ~Copyable, Sendable {
    /// For `EpollLoop`: readable once the process has ended.
    public let descriptor: FileDescriptor

    /// How a child ended.
    public struct ExitStatus: Sendable {
        /// The exit code, or 128 + signal.
        public let code: Int32
        /// 0 for none.
        public let signal: Int32
    }

    /// Opens a process; ESRCH where there is none. The caller makes sure that the pid still means what it thinks.
    public init(pid: Int32) throws(KernelError) {
        descriptor = try FileDescriptor(result: swl_pidfd_open(pid), "open", "process \(pid)")
    }

    public init(owning descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    /// Sends a signal; an ended process is fine.
    public borrowing func send(_ signal: Int32) throws(KernelError) {
        let result = swl_pidfd_send_signal(descriptor.raw, signal)
        guard result >= 0 || result == -ESRCH else {
            throw KernelError("send signal \(signal) to", "process", code: -result)
        }
    }

    /// Whether the process still runs (a zombie does not).
    public borrowing func isAlive() -> Bool {
        var poll = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&poll, 1, 0) == 0
    }

    /// Waits for the end of the process; false after the time.
    public borrowing func waitForEnd(timeoutMs: Int32) -> Bool {
        var poll = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
        return retrying { Glibc.poll(&poll, 1, timeoutMs) } > 0
    }

    /// Takes the status of a child that has ended, so that it is no zombie; nil while it runs or where it is not ours.
    @discardableResult
    public borrowing func reap() -> ExitStatus? {
        var code: Int32 = 0
        var status: Int32 = 0
        guard swl_pidfd_wait(descriptor.raw, &code, &status) == 1 else { return nil }
        return code == Int32(CLD_EXITED)
            ? ExitStatus(code: status, signal: 0) : ExitStatus(code: 128 &+ status, signal: status)
    }
}
