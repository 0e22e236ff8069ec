import Glibc

/// Runs work that blocks for long (unpacking an image, syncing a disk) on a thread of its own: the pool of Swift's tasks
/// has as few threads as the machine has processors, and a blocked one is missed by every pod.
func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let work = ThreadWork { continuation.resume(with: Result { try body() }) }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(work).toOpaque()
        let result = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<ThreadWork>.fromOpaque(context).takeRetainedValue().body()
                return nil
            }, context)
        if result == 0 {
            pthread_detach(thread)
        } else {
            Unmanaged<ThreadWork>.fromOpaque(context).release()
            continuation.resume(throwing: FileError("start a thread for", "blocking work", code: result))
        }
    }
}

private final class ThreadWork: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
