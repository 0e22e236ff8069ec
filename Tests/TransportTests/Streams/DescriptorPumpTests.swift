import Glibc
import NIOCore
import Testing

@testable import Transport

@Suite struct DescriptorPumpTests {
    /// The loop's side of a connection that only counts.
    private final class Carrier: StreamCarrier {
        let loop: any EventLoop
        var isWritable: Bool { true }
        init(_ loop: any EventLoop) { self.loop = loop }
        func send(_: ByteBuffer, on _: SubStream) {}
        func finish(_: SubStream) {}
        func holds(_: Int, of _: SubStream) {}
        func close() {}
        func abort() {}
    }

    /// What a client typed and ended before the program's input was there: it is all written, and the end is passed on.
    @Test func takesAStreamThatHasEndedAlready() async throws {
        let loops = EventLoops(count: 1)
        let loop = loops.group.next()
        let pipe = TestPipe()
        let ended = loop.makePromise(of: Void.self)
        let writing = pipe.writing
        try await loop.submit {
            let carrier = Carrier(loop)
            let stream = SubStream(id: 1, carrier: carrier)
            stream.take(ByteBuffer(string: "exit\n"))
            stream.peerFinished()
            let pump = DescriptorPump(
                .output, source: stream, target: nil,
                onClose: {
                    _ = (carrier, stream)
                    ended.succeed()
                })
            pump.start(writing, on: loop)
        }.get()
        try await ended.futureResult.get()
        var buffer = [UInt8](repeating: 0, count: 64)
        #expect(read(pipe.reading, &buffer, buffer.count) == 5)
        #expect(read(pipe.reading, &buffer, buffer.count) == 0)
        close(pipe.reading)
        await loops.shutdown()
    }
}
