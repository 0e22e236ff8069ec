import Synchronization
import Testing

@testable import ProxyDataPath

@Suite struct DrainWaitersTests {
    @Test func whoWaitsIsLetGoByTheCommitThatHasItsPod() async {
        final class Box: Sendable {
            let waiters = Mutex(DrainWaiters())
            let done = Mutex<[String]>([])
        }
        let box = Box()
        await withTaskGroup(of: Void.self) { group in
            for uid in ["a", "b"] {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        _ = box.waiters.withLock { $0.add(uid, continuation) }
                    }
                    box.done.withLock { $0.append(uid) }
                }
            }
            while box.waiters.withLock({ $0.count }) < 2 { await Task.yield() }
            // A commit without news of them lets nobody go.
            box.waiters.withLock { $0.cover { _ in .serving } }
            #expect(box.waiters.withLock { $0.settle(isDone: true) }.isEmpty)
            // One that fails has to be made again.
            box.waiters.withLock { $0.cover { $0 == "a" ? .ending : .serving } }
            #expect(box.waiters.withLock { $0.settle(isDone: false) }.isEmpty)
            #expect(box.waiters.withLock { $0.settle(isDone: true) }.isEmpty)
            box.waiters.withLock { $0.cover { $0 == "a" ? .ending : .serving } }
            let first = box.waiters.withLock { $0.settle(isDone: true) }
            #expect(first.count == 1)
            for continuation in first { continuation.resume() }
            await group.next()
            #expect(box.done.withLock { $0 } == ["a"])
            box.waiters.withLock { $0.cover { _ in .absent } }
            for continuation in box.waiters.withLock({ $0.settle(isDone: true) }) { continuation.resume() }
            await group.next()
            #expect(box.done.withLock { $0 } == ["a", "b"])
            #expect(box.waiters.withLock { $0.count } == 0)
        }
    }
}
