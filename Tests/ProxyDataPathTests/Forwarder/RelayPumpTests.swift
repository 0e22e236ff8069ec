import Glibc
import Testing

@testable import ProxyDataPath

/// The pump between two pairs of sockets: a client's end, the two ends in the middle, a server's end.
@Suite final class RelayPumpTests {
    private let client: Int32
    private let server: Int32
    private var relay: Relay
    private var pump = RelayPump()

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
        server = right.1
        relay = Relay(client: left.1, server: right.0, service: 0, clientAddress: 0)
    }

    deinit {
        pump.release(&relay)
        for socket in [client, server, relay.client, relay.server] { close(socket) }
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
        #expect(pump.pendingBytes == 0)
    }

    @Test func passesOnAnEndAndGoesOnTheOtherWay() {
        _ = write(client, Array("last".utf8))
        shutdown(client, Int32(SHUT_WR))
        relay.note([.readable, .peerClosed], ofClient: true)
        relay.note([.writable], ofClient: false)
        #expect(pump.run(&relay) == .waits)
        #expect(readAll(server) == Array("last".utf8))
        #expect(isAtEnd(server))
        _ = write(server, Array("answer".utf8))
        #expect(run() == .waits)
        #expect(readAll(client) == Array("answer".utf8))
        shutdown(server, Int32(SHUT_WR))
        #expect(run() == .ended)
        #expect(isAtEnd(client))
    }

    @Test func stopsReadingWhenNobodyTakesIt() {
        // Fill up to where nothing is taken any more.
        let chunk = [UInt8](repeating: 7, count: 65536)
        var sent = 0
        for _ in 0..<400 {
            let count = write(client, chunk)
            if count > 0 { sent += count }
            _ = run()
        }
        #expect(write(client, chunk) < 0, "the client still gets rid of its bytes")
        #expect(pump.pendingBytes <= RelayPump.chunkBytes)
        #expect(sent < 4 << 20)
        // The reader comes back: everything arrives, once.
        var received = 0
        for _ in 0..<400 {
            let bytes = readAll(server)
            received += bytes.count
            #expect(bytes.allSatisfy { $0 == 7 })
            _ = run()
        }
        received += readAll(server).count
        #expect(received == sent)
        #expect(pump.pendingBytes == 0)
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
        for _ in 0..<60 {
            received += readAll(server)
            _ = run()
        }
        received += readAll(server)
        #expect(received == expected)
    }

    @Test func givesOthersATurn() {
        _ = write(client, [UInt8](repeating: 1, count: 150_000))
        relay.note([.readable, .peerClosed], ofClient: true)
        relay.note([.writable], ofClient: false)
        var outcome = pump.run(&relay)
        var turns = 1
        while outcome == .hasMore, turns < 100 {
            _ = readAll(server)
            outcome = pump.run(&relay)
            turns += 1
        }
        #expect(outcome == .waits)
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
