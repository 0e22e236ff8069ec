import Glibc

/// Makes sure that one daemon runs per root: a lock on `<run-dir>/swiftlet.pid`, which also tells its pid.
///
/// The kernel gives the lock back when the process ends, however it ends, so that there is nothing to clean up after
/// SIGKILL.
struct PidFile: ~Copyable {
    private let descriptor: Int32

    /// - Throws: `CommandError` when another daemon holds the lock, with its pid.
    init(path: String) throws { descriptor = try Self.locked(path) }

    private static func locked(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw CommandError("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard hasTaken(descriptor) else {
            close(descriptor)
            let holder = (try? Files.read(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""  // only for the text
            let pid = holder.split(separator: "\n").first ?? "unknown"
            throw CommandError("cannot start: another daemon (pid \(pid)) runs with the same root and holds \(path)")
        }
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, text, text.count, 0) == text.count else {
            let failure = CommandError("cannot write \(path): \(String(cString: strerror(errno)))")
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    /// After SIGKILL, a child on its way from clone to exec may hold the lock for some milliseconds longer.
    private static func hasTaken(_ descriptor: Int32) -> Bool {
        for attempt in 0..<50 {
            if attempt > 0 { usleep(20_000) }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK || errno == EINTR else { return false }
        }
        return false
    }

    deinit { close(descriptor) }
}
