import NIOCore
import Testing

@testable import Transport

/// A client's frame, masked.
func clientFrame(_ opcode: UInt8, _ payload: [UInt8], isLast: Bool = true, key: [UInt8] = [1, 2, 3, 4]) -> [UInt8] {
    var frame: [UInt8] = [(isLast ? 0x80 : 0) | opcode]
    switch payload.count {
    case ..<126: frame.append(0x80 | UInt8(payload.count))
    case ..<65_536: frame += [0xfe, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
    default: frame += [0xff] + (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
    }
    frame += key
    for (index, byte) in payload.enumerated() { frame.append(byte ^ key[index % 4]) }
    return frame
}

@Suite struct WebSocketParserTests {
    /// What was heard, with pieces of one message joined.
    private struct Heard: Equatable {
        var messages: [[UInt8]] = []
        var controls: [String] = []
    }

    /// Feeds the bytes in pieces of that size.
    private func parse(_ bytes: [UInt8], piece: Int) throws -> Heard {
        var parser = WebSocketParser()
        var pending = ByteBuffer()
        var heard = Heard()
        var rest = bytes[...]
        while !rest.isEmpty {
            pending.writeBytes(rest.prefix(piece))
            rest = rest.dropFirst(piece)
            while let event = try parser.next(&pending) {
                switch event {
                case .data(let bytes, let isFirst):
                    if isFirst { heard.messages.append([]) }
                    heard.messages[heard.messages.count - 1] += Array(bytes.readableBytesView)
                case .ping(let bytes): heard.controls.append("ping " + String(buffer: bytes))
                case .pong: heard.controls.append("pong")
                case .close(let bytes): heard.controls.append("close \(bytes.readableBytes)")
                }
            }
            #expect(pending.readableBytes < 150, "more is kept than a header and a control frame")
        }
        return heard
    }

    @Test(arguments: [1, 2, 3, 7, 1000, 100_000])
    func passesMessagesOnWhereverTheyAreCut(piece: Int) throws {
        let long = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let bytes =
            clientFrame(2, [1, 2, 3]) + clientFrame(2, []) + clientFrame(2, [0], isLast: false, key: [9, 8, 7, 6])
            + clientFrame(9, Array("hello".utf8)) + clientFrame(0, Array(long[..<300]), isLast: false)
            + clientFrame(0, Array(long[300...]), key: [255, 0, 255, 0]) + clientFrame(1, [42]) + clientFrame(10, [])
            + clientFrame(8, [3, 232])
        let heard = try parse(bytes, piece: piece)
        #expect(heard.messages == [[1, 2, 3], [0] + long, [42]])
        #expect(heard.controls == ["ping hello", "pong", "close 2"])
    }

    @Test func aMessageMayBeginWithAnEmptyFrame() throws {
        let bytes = clientFrame(2, [], isLast: false) + clientFrame(0, [7], isLast: false) + clientFrame(0, [8])
        #expect(try parse(bytes, piece: 100).messages == [[7, 8]])
    }

    @Test(
        arguments: [
            [0x82, 0x01, 0x00],  // not masked
            [0xc2, 0x80, 0, 0, 0, 0],  // a reserved bit
            [0x83, 0x80, 0, 0, 0, 0],  // an unknown opcode
            [0x80, 0x80, 0, 0, 0, 0],  // continues nothing
            [0x09, 0x80, 0, 0, 0, 0],  // a ping in parts
            [0x89, 0xfe, 0, 200, 0, 0, 0, 0],  // a ping that is too long
            [0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0],  // a message within another
            [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // a negative length
        ] as [[UInt8]])
    func refusesWhatTheProtocolForbids(bytes: [UInt8]) {
        #expect(throws: WebSocketParser.Violation.self) { try parse(bytes, piece: 100) }
    }

    @Test func survivesNoise() {
        var random = SeededRandom(seed: 20_261_126)
        for round in 0..<1_000 {
            var bytes = (0..<Int.random(in: 0..<200, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if round % 2 == 0 { bytes = clientFrame(UInt8(round % 3), bytes) + bytes }
            // Whatever comes, it ends, and holds nothing back but the beginning of a frame.
            _ = try? parse(bytes, piece: Int.random(in: 1...64, using: &random))
        }
    }
}

/// Splitmix64: the same numbers in every run.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
