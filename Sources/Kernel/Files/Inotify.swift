import CLinux
import Glibc
import Synchronization

/// Tells of changes in folders (inotify(7)), on an `EpollLoop`. Any number of watchers may share a folder.
public final class Inotify: Sendable {
    /// What is told, as the bits of inotify.
    public struct Changes: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static let modified = Changes(rawValue: UInt32(SWL_IN_MODIFY))
        public static let closedAfterWriting = Changes(rawValue: UInt32(SWL_IN_CLOSE_WRITE))
        public static let movedFrom = Changes(rawValue: UInt32(SWL_IN_MOVED_FROM))
        public static let movedTo = Changes(rawValue: UInt32(SWL_IN_MOVED_TO))
        public static let created = Changes(rawValue: UInt32(SWL_IN_CREATE))
        public static let deleted = Changes(rawValue: UInt32(SWL_IN_DELETE))
        /// The folder itself went.
        public static let gone = Changes(
            rawValue: UInt32(SWL_IN_DELETE_SELF) | UInt32(SWL_IN_MOVE_SELF) | UInt32(SWL_IN_IGNORED))
        /// The kernel's queue was full: anything may have changed.
        public static let overflow = Changes(rawValue: UInt32(SWL_IN_Q_OVERFLOW))
    }

    /// Names one watcher; never used twice.
    public struct Token: Sendable, Hashable {
        fileprivate let number: UInt64
        fileprivate let watch: Int32
    }

    private struct Watch {
        var mask: UInt32
        var callbacks: [UInt64: @Sendable (Changes) -> Void] = [:]
    }
    private struct State {
        var next: UInt64 = 1
        var watches: [Int32: Watch] = [:]
    }

    private let instance: FileDescriptor
    private let state = Mutex(State())

    /// Events are read on that loop's thread for as long as it runs.
    public init(loop: EpollLoop) throws(KernelError) {
        instance = try FileDescriptor(result: swl_inotify_create(), "create", "inotify instance")
        _ = try loop.watch(instance.raw) { [weak self] _ in self?.read() }
    }

    /// Calls back on the loop's thread when something that is asked for happens in the folder (or to the file) at that
    /// path. Which file it was is not told: look.
    public func watch(_ path: String, _ changes: Changes, _ callback: @escaping @Sendable (Changes) -> Void)
        throws(KernelError) -> Token
    {
        try state.withLock { state throws(KernelError) in
            // The same path gives the same number, with the mask of the last call: the union is asked for.
            var number = swl_inotify_add(instance.raw, path, changes.rawValue)
            guard number >= 0 else { throw KernelError("watch", path, code: -number) }
            let mask = changes.rawValue | (state.watches[number]?.mask ?? 0)
            if mask != changes.rawValue { number = swl_inotify_add(instance.raw, path, mask) }
            guard number >= 0 else { throw KernelError("watch", path, code: -number) }
            let token = Token(number: state.next, watch: number)
            state.next += 1
            state.watches[number, default: Watch(mask: mask)].mask = mask
            state.watches[number]?.callbacks[token.number] = callback
            return token
        }
    }

    /// Ends one watcher. (Its callback may still run on the loop's thread.)
    public func cancel(_ token: Token) {
        state.withLock { state in
            guard state.watches[token.watch]?.callbacks.removeValue(forKey: token.number) != nil,
                state.watches[token.watch]?.callbacks.isEmpty == true
            else { return }
            state.watches[token.watch] = nil
            // EINVAL: it went with its folder.
            _ = swl_inotify_remove(instance.raw, token.watch)
        }
    }

    private func read() {
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 8) { buffer in
            while true {
                let count = retrying { Glibc.read(instance.raw, buffer.baseAddress, buffer.count) }
                // EAGAIN: all is read.
                guard count > 0 else { return }
                var changes: [Int32: UInt32] = [:]
                var offset = 0
                while offset + 16 <= count {
                    let watch = buffer.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                    let mask = buffer.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                    let nameLength = buffer.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self)
                    changes[watch, default: 0] |= mask
                    offset += 16 + Int(nameLength)
                }
                for (watch, mask) in changes { tell(watch, Changes(rawValue: mask)) }
            }
        }
    }

    private func tell(_ watch: Int32, _ changes: Changes) {
        let callbacks: [@Sendable (Changes) -> Void] = state.withLock { state in
            if changes.contains(.overflow) { return state.watches.values.flatMap(\.callbacks.values) }
            return state.watches[watch].map { Array($0.callbacks.values) } ?? []
        }
        for callback in callbacks { callback(changes) }
    }
}
