import Glibc
import Synchronization
import Testing

@testable import Kernel

@Suite("Threads for calls that block")
struct WorkerThreadsTests {
    @Test func workRunsAndAnswers() async throws {
        let threads = try WorkerThreads(name: "test", count: 2)
        defer { threads.stop() }
        let values = await withTaskGroup(of: Int.self) { group in
            for index in 0..<100 { group.addTask { await threads.run { index * 2 } } }
            return await group.reduce(into: 0) { $0 += $1 }
        }
        #expect(values == 9900)
    }

    @Test func failuresAreThrown() async throws {
        let threads = try WorkerThreads(name: "test", count: 1)
        defer { threads.stop() }
        let error = await #expect(throws: KernelError.self) {
            try await threads.run { () throws(KernelError) -> Int in throw KernelError("try", "it", code: EIO) }
        }
        #expect(error?.code == EIO)
    }

    @Test func whatIsQueuedIsDoneInOrderByOne() async throws {
        let threads = try WorkerThreads(name: "test", count: 1)
        let order = Mutex<[Int]>([])
        for index in 0..<50 { threads.post { order.withLock { $0.append(index) } } }
        await threads.run {}
        threads.stop()
        #expect(order.withLock { $0 } == Array(0..<50))
    }

    /// Values as the two parts of `both`.
    private func sum(_ threads: WorkerThreads, _ first: Int, _ second: Int) -> Int {
        let parts = threads.both({ first }, and: { second })
        return parts.0 + parts.1
    }

    @Test(arguments: [1, 4]) func twoPartsAreBothDoneWithOrWithoutAnIdleThread(count: Int) async throws {
        let threads = try WorkerThreads(name: "test", count: count)
        defer { threads.stop() }
        // More callers than threads: each of them holds one while it waits for its other part.
        let sums = await withTaskGroup(of: Int.self) { group in
            for index in 0..<50 {
                group.addTask { await threads.run { sum(threads, index, 100 * index) } }
            }
            return await group.reduce(into: 0) { $0 += $1 }
        }
        #expect(sums == 101 * (0..<50).reduce(0, +))
    }
}

@Suite("The epoll loop")
struct EpollLoopTests {
    @Test func itCallsBackWhenADescriptorIsReadable() async throws {
        let loop = try EpollLoop(name: "test")
        defer { loop.stop() }
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let (stream, continuation) = AsyncStream<UInt8>.makeStream()
        let reader = ends[0]
        let token = try loop.watch(reader) { _ in
            var byte: UInt8 = 0
            if read(reader, &byte, 1) == 1 { continuation.yield(byte) }
        }
        #expect(write(ends[1], [5, 6] as [UInt8], 2) == 2)
        var iterator = stream.makeAsyncIterator()
        #expect(await iterator.next() == 5)
        #expect(await iterator.next() == 6)
        loop.cancel(token)
    }

    @Test func timersFireInTheOrderOfTheirTimes() async throws {
        let loop = try EpollLoop(name: "test")
        defer { loop.stop() }
        let (stream, continuation) = AsyncStream<Int>.makeStream()
        loop.post {
            // All from the loop's own thread, so that none has fired before the last is set.
            loop.after(.milliseconds(30)) { continuation.yield(3) }
            loop.after(.milliseconds(10)) { continuation.yield(1) }
            let cancelled = loop.after(.milliseconds(15)) { continuation.yield(99) }
            loop.after(.milliseconds(20)) { continuation.yield(2) }
            loop.cancelTimer(cancelled)
        }
        var fired: [Int] = []
        for await number in stream {
            fired.append(number)
            if number == 3 { break }
        }
        #expect(fired == [1, 2, 3])
    }

    @Test func aDescriptorThatCannotBeWaitedForIsRefused() throws {
        let loop = try EpollLoop(name: "test")
        defer { loop.stop() }
        let file = try FileDescriptor.open("/etc/passwd", O_RDONLY)
        let error = #expect(throws: KernelError.self) { _ = try loop.watch(file.raw) { _ in } }
        #expect(error?.code == EPERM)
    }
}

@Suite("Saved settings")
struct SavedSysctlsTests {
    @Test func whatHoldsAlreadyIsNotSaved() throws {
        let folder = try TemporaryFolder()
        let saved = SavedSysctls(path: folder.file("saved"))
        let name = "kernel/ostype"
        try saved.set(name, to: try Sysctl.read(name))
        #expect(!folder.exists("saved"))
    }

    @Test func onlyWhatStillHoldsOursIsPutBack() throws {
        let folder = try TemporaryFolder()
        // Neither is ours any more; the third is no name of a setting.
        try folder.write(
            "swiftlet-sysctls 1\nkernel/ostype\told\tnot what it is\nkernel/nosuch\t0\t1\n../../etc/x\t0\t1\n",
            to: "saved")
        #expect(SavedSysctls(path: folder.file("saved")).restore().isEmpty)
        #expect(!folder.exists("saved"))
    }

    @Test func aFileOfAnotherFormatIsNotRead() throws {
        let folder = try TemporaryFolder()
        try folder.write("swiftlet-sysctls 2\nkernel/ostype\tx\tLinux\n", to: "saved")
        #expect(SavedSysctls(path: folder.file("saved")).restore().isEmpty)
    }
}
