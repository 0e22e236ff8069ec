import Glibc
import Testing

@testable import ProxyDataPath

/// The pump between two pairs of sockets: a client's end, the two ends in the middle, a server's end.
@Suite final class RelayPumpTests {
    private let client: Int32
    private let server: Int32
    private var relay: Relay
    private let budget = DescriptorBudget(descriptors: 100, connections: 1)
    private var pump: RelayPump

    init() throws {
        func pair() throws -> (Int32, Int32) {
            var ends: (Int32, Int32) = (-1, -1)
            let code = withUnsafeMutablePointer(to: &ends) { pointer in
                pointer.withMemoryRebound(to: Int32.self, capacity: 2) {
                    socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, $0)
                }
            }
            try #require(code == 0)
            return ends
        }
        let left = try pair()
        let right = try pair()
        client = left.0
        // Enough for more than a turn.
        var size: Int32 = 400_000
        setsockopt(client, SOL_SOCKET, SO_SNDBUF, &size, 4)
        server = right.1
        relay = Relay(client: left.1, pool: 0)
        relay.server = right.0
        relay.isOpen = true
        pump = RelayPump(budget: budget, fullReadsBeforeSplice: 2)
    }

    deinit {
        pump.release(&relay)
        for socket in [client, server, relay.client, relay.server] { close(socket) }
    }

    private var blocksUsed: Int { pump.blocks.usedCount }
    private var pipesOpen: Int { pump.pipes.openCount }
    private func step(_ body: (inout RelayPump, inout Relay) -> RelayPump.Outcome) -> RelayPump.Outcome {
        body(&pump, &relay)
    }

    /// As epoll would say it after anything has happened.
    private func run() -> RelayPump.Outcome {
        relay.note([.readable, .writable], ofClient: true)
        relay.note([.readable, .writable], ofClient: false)
        return pump.run(&relay)
    }
    private func write(_ socket: Int32, _ bytes: [UInt8]) -> Int {
        send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
    private func readAll(_ socket: Int32) -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(socket, &chunk, chunk.count)
            guard count > 0 else { return all }
            all += chunk.prefix(count)
        }
    }
    private func isAtEnd(_ socket: Int32) -> Bool {
        var byte: UInt8 = 0
        return read(socket, &byte, 1) == 0
    }

    @Test func movesBytesBothWays() {
        _ = write(client, Array("ask".utf8))
        _ = write(server, Array("tell".utf8))
        #expect(run() == .waits)
        #expect(readAll(server) == Array("ask".utf8))
        #expect(readAll(client) == Array("tell".utf8))
        #expect(blocksUsed == 0)
        let moved = pump.bytesMoved
        #expect(moved == 7)
    }

    @Test func passesOnAnEndAndGoesOnTheOtherWay() {
        _ = write(client, Array("last".utf8))
        shutdown(client, Int32(SHUT_WR))
        relay.note([.readable, .peerClosed], ofClient: true)
        relay.note([.writable], ofClient: false)
        #expect(step { $0.run(&$1) } == .waits)
        #expect(readAll(server) == Array("last".utf8))
        #expect(isAtEnd(server))
        _ = write(server, Array("answer".utf8))
        #expect(run() == .waits)
        #expect(readAll(client) == Array("answer".utf8))
        shutdown(server, Int32(SHUT_WR))
        // Whoever closes both sockets now tells the client by that.
        #expect(run() == .ended)
    }

    /// Writes until nothing is taken any more, then lets the reader come back.
    private func fillAndEmpty(in pieces: Int) -> (sent: Int, received: Int, held: Int) {
        let chunk = [UInt8](repeating: 7, count: pieces)
        var sent = 0
        var refusals = 0
        while refusals < 3, sent < 8 << 20 {
            let count = write(client, chunk)
            if count > 0 { sent += count } else { refusals += 1 }
            _ = run()
        }
        #expect(write(client, chunk) < 0, "the client still gets rid of its bytes")
        #expect(sent < 8 << 20)
        let held = blocksUsed
        var received = 0
        for _ in 0..<4_000 {
            let bytes = readAll(server)
            received += bytes.count
            #expect(bytes.first ?? 7 == 7 && bytes.last ?? 7 == 7)
            if bytes.isEmpty, run() == .waits { break }
            _ = run()
        }
        received += readAll(server).count
        return (sent, received, held)
    }

    @Test func stopsReadingWhenNobodyTakesIt() {
        let result = fillAndEmpty(in: 1_000)
        #expect(result.sent == result.received)
        #expect(result.held <= 1)
        #expect(blocksUsed == 0)
    }

    @Test func splicesBulkThroughOnePipe() {
        let before = budget.freeDescriptors
        let result = fillAndEmpty(in: 200_000)
        #expect(result.sent == result.received)
        #expect(result.sent > 200_000)
        #expect(pipesOpen == 1)
        #expect(budget.freeDescriptors == before - 2)
        #expect(relay.up.pipe == -1, "an idle connection holds no pipe")
        #expect(relay.up.waiting == 0)
    }

    @Test func splicesNothingWherePipesAreUsedUp() {
        _ = budget.take(budget.freeDescriptors)
        let result = fillAndEmpty(in: 200_000)
        #expect(result.sent == result.received)
        #expect(pipesOpen == 0)
    }

    @Test func goesBackToCopyingWhenMessagesAreSmallAgain() {
        _ = fillAndEmpty(in: 200_000)
        for number in 0..<5 {
            _ = write(client, [UInt8(number)])
            #expect(run() == .waits)
            #expect(readAll(server) == [UInt8(number)])
        }
        #expect(relay.up.fullReads == 0)
        #expect(relay.up.pipe == -1)
    }

    @Test func holdsNothingWhereMemoryIsUsedUp() {
        var others: [UnsafeMutableRawPointer] = []
        for _ in 0..<BlockPool.limit { others.append(pump.blocks.take()) }
        defer { for block in others { pump.blocks.give(block) } }
        _ = budget.take(budget.freeDescriptors)
        let result = fillAndEmpty(in: 50_000)
        #expect(result.sent == result.received)
        #expect(result.held == BlockPool.limit)
        _ = write(client, Array("still".utf8))
        #expect(run() == .waits)
        #expect(readAll(server) == Array("still".utf8))
    }

    @Test func readsAheadOfAnEndpointThatDoesNotAnswerYet() {
        _ = write(client, Array("early".utf8))
        shutdown(client, Int32(SHUT_WR))
        relay.isOpen = false
        relay.note([.readable, .peerClosed], ofClient: true)
        #expect(step { $0.readAhead(&$1) } == .waits)
        #expect(step { $0.readAhead(&$1) } == .waits)
        #expect(readAll(server).isEmpty)
        relay.isOpen = true
        #expect(run() == .waits)
        #expect(readAll(server) == Array("early".utf8))
        #expect(isAtEnd(server))
        #expect(blocksUsed == 0)
    }

    @Test func passesOnWhatALostServerHadSaid() {
        // The server has answered and gone; the client's next request can't be written any more.
        _ = write(server, Array("no".utf8))
        shutdown(server, Int32(SHUT_RDWR))
        _ = write(client, Array("more".utf8))
        relay.note([.readable], ofClient: true)
        #expect(step { $0.run(&$1) } == .failed)
        #expect(readAll(client) == Array("no".utf8))
    }

    @Test func keepsTheOrderOfWhatWaited() {
        var next: UInt8 = 0
        func chunk() -> [UInt8] {
            (0..<50_000).map { _ in
                next &+= 1
                return next
            }
        }
        var expected: [UInt8] = []
        var received: [UInt8] = []
        for round in 0..<60 {
            let bytes = chunk()
            let count = max(0, write(client, bytes))
            expected += bytes.prefix(count)
            next = expected.last ?? 0
            _ = run()
            if round % 7 == 0 { received += readAll(server) }
        }
        for _ in 0..<200 {
            received += readAll(server)
            _ = run()
        }
        received += readAll(server)
        #expect(received == expected)
    }

    @Test func givesOthersATurn() {
        _ = budget.take(budget.freeDescriptors)  // copied, in steps that are known
        var left = 3 * RelayPump.turn * RelayPump.chunkBytes / 2
        let chunk = [UInt8](repeating: 1, count: 4_096)
        while left > 0 {
            let count = write(client, chunk)
            guard count > 0 else { break }
            left -= count
        }
        #expect(left <= 0, "the socket holds more than one turn")
        relay.note([.readable], ofClient: true)
        #expect(step { $0.run(&$1) } == .hasMore)
        #expect(readAll(server).count == RelayPump.turn * RelayPump.chunkBytes)
        #expect(run() == .waits)
        #expect(readAll(server).count == RelayPump.turn * RelayPump.chunkBytes / 2)
    }

    @Test func tellsThatATargetIsLost() {
        close(server)
        _ = write(client, Array("x".utf8))
        #expect(run() == .failed)
        // Closed once more at the end: a number of our own takes its place.
        let place = dup(client)
        #expect(place >= 0)
        if place != server {
            dup2(place, server)
            close(place)
        }
    }
}
