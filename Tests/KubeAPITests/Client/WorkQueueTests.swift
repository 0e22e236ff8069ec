import KubeAPI
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct WorkQueueTests {
    @Test func keysWaitOnceInOrder() async {
        let queue = WorkQueue<String>()
        for key in ["a", "b", "a", "c", "b"] { queue.add(key) }
        #expect(queue.depth == 3)
        for expected in ["a", "b", "c"] {
            #expect(await queue.next() == expected)
            queue.done(expected)
        }
        #expect(queue.depth == 0)
    }

    @Test func aKeyIsNeverWithTwoWorkers() async {
        let queue = WorkQueue<String>()
        queue.add("a")
        #expect(await queue.next() == "a")
        queue.add("a")
        queue.add("b")
        // The other worker gets b, though a came first.
        #expect(queue.depth == 1)
        #expect(await queue.next() == "b")
        queue.done("a")
        #expect(await queue.next() == "a")
        queue.done("a")
        queue.done("b")
        #expect(queue.depth == 0)
    }

    @Test func waitingWorkersAreWoken() async {
        let queue = WorkQueue<Int>()
        let worker = Task { await queue.next() }
        queue.add(7)
        #expect(await worker.value == 7)
    }

    @Test func shutDownWakesEveryone() async {
        let queue = WorkQueue<Int>()
        let workers = (0..<3).map { _ in Task { await queue.next() } }
        await Task.yield()
        queue.shutDown()
        for worker in workers { #expect(await worker.value == nil) }
        queue.add(1)
        queue.add(2, after: .milliseconds(1))
        #expect(await queue.next() == nil)
    }

    @Test func addsAfterAPause() async {
        let queue = WorkQueue<String>()
        queue.add("later", after: .milliseconds(20))
        queue.add("now", after: .zero)
        #expect(queue.depth == 1)
        #expect(await queue.next() == "now")
        queue.done("now")
        #expect(await queue.next() == "later")
    }

    @Test func ofSeveralPausesTheShortestCounts() async {
        let queue = WorkQueue<String>()
        queue.add("a", after: .seconds(3600))
        queue.add("a", after: .milliseconds(5))
        for _ in 0..<1000 { queue.add("a", after: .seconds(3600)) }
        #expect(await queue.next() == "a")
        queue.done("a")
        #expect(queue.depth == 0)
    }

    @Test func failedKeysComeAgain() async {
        let queue = WorkQueue<String>()
        let tries = Mutex(0)
        let journal = Journal<Int>()
        struct Failure: Error {}
        let run = Task {
            await queue.run(workers: 2) { _ in
                let count = tries.withLock { count in
                    count += 1
                    return count
                }
                journal.write(count)
                if count < 4 { throw Failure() }
            }
        }
        queue.add("a")
        #expect(await journal.next(4) == [1, 2, 3, 4])
        run.cancel()
        await run.value
        #expect(tries.withLock { $0 } == 4)
    }

    @Test func manyWorkersDoAllWorkOnceAtATime() async {
        let queue = WorkQueue<Int>()
        struct Progress {
            var current: Set<Int> = []
            var done: [Int: Int] = [:]
            var clashes = 0
        }
        let progress = Mutex(Progress())
        let journal = Journal<Void>()
        let run = Task {
            await queue.run(workers: 8) { key in
                progress.withLock { if !$0.current.insert(key).inserted { $0.clashes += 1 } }
                await Task.yield()
                let all = progress.withLock { progress in
                    progress.current.remove(key)
                    progress.done[key, default: 0] += 1
                    return progress.done.count == 50
                }
                if all { journal.write(()) }
            }
        }
        for round in 0..<20 { for key in 0..<50 { queue.add((key * 7 + round) % 50) } }
        _ = await journal.next()
        run.cancel()
        await run.value
        #expect(progress.withLock { $0.clashes } == 0)
        #expect(progress.withLock { $0.done.count } == 50)
    }

    @Test func pausesDouble() {
        var backoff = Backoff(first: .milliseconds(5), limit: .seconds(30))
        #expect((0..<5).map { _ in backoff.next() } == [5, 10, 20, 40, 80].map { .milliseconds($0) })
        for _ in 0..<100 { #expect(backoff.next() <= .seconds(30)) }
        #expect(backoff.next() == .seconds(30))
        backoff.reset()
        #expect(backoff.next() == .milliseconds(5))
    }
}
