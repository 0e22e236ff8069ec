import CZlib
import NIOCore
import Testing

@testable import Transport

/// A client's side of SPDY, for tests.
struct SPDYClient {
    private let headers = SPDYHeaderWriter()

    func open(_ id: UInt32, _ fields: SPDYHeaderList, isLast: Bool = false) throws -> [UInt8] {
        let block = try headers.write(fields)
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt32(0x8003_0001))
        buffer.writeInteger(UInt32(10 + block.count) | (isLast ? 0x0100_0000 : 0))
        buffer.writeInteger(id)
        buffer.writeInteger(UInt32(0))
        buffer.writeInteger(UInt16(0))
        buffer.writeBytes(block)
        return Array(buffer.readableBytesView)
    }

    func data(_ id: UInt32, _ bytes: [UInt8], isLast: Bool = false) -> [UInt8] {
        Array(SPDYFrames.data(id, ByteBuffer(bytes: bytes), isLast: isLast, ByteBufferAllocator()).readableBytesView)
    }

    func ping(_ number: UInt32) -> [UInt8] { Array(SPDYFrames.ping(number).readableBytesView) }
    func reset(_ id: UInt32) -> [UInt8] { Array(SPDYFrames.reset(id, .cancelled).readableBytesView) }
}

@Suite struct SPDYTests {
    private func parse(_ bytes: [UInt8], piece: Int) throws -> [String] {
        var parser = SPDYParser()
        var pending = ByteBuffer()
        var heard: [String] = []
        var data: [UInt32: [UInt8]] = [:]
        var rest = bytes[...]
        while !rest.isEmpty {
            pending.writeBytes(rest.prefix(piece))
            rest = rest.dropFirst(piece)
            while let event = try parser.next(&pending) {
                switch event {
                case .opened(let id, let fields, let isLast):
                    heard.append("open \(id) \(fields.map { "\($0.name)=\($0.value)" })\(isLast ? " last" : "")")
                case .headers(let id, let isLast): heard.append("headers \(id)\(isLast ? " last" : "")")
                case .data(let id, let bytes, let isLast):
                    data[id, default: []] += Array(bytes.readableBytesView)
                    if isLast { heard.append("data \(id) \(String(decoding: data[id] ?? [], as: UTF8.self))") }
                case .reset(let id): heard.append("reset \(id)")
                case .ping(let number): heard.append("ping \(number)")
                case .goAway: heard.append("goaway")
                case .ignored: heard.append("ignored")
                }
            }
            #expect(pending.readableBytes < SPDYParser.controlBytes + 8)
        }
        return heard
    }

    /// The number that both ends of a zlib stream know the dictionary by: seen in what kubectl sends.
    @Test func theDictionaryIsThatOfTheProtocol() {
        let bytes = SPDYDictionary.bytes
        #expect(bytes.count == 1423)
        #expect(adler32(1, bytes, UInt32(bytes.count)) == 0xe3c6_a7c2)
    }

    @Test(arguments: [1, 3, 64, 100_000])
    func readsFramesWhereverTheyAreCut(piece: Int) throws {
        let client = SPDYClient()
        let bytes =
            try client.open(1, [("streamtype", "error"), ("port", "80"), ("requestid", "0")], isLast: true)
            + client.open(3, [("streamtype", "data"), ("port", "80"), ("requestid", "0")])
            + client.data(3, Array("hello ".utf8)) + client.ping(1) + client.data(3, Array("world".utf8), isLast: true)
            + client.reset(3) + [0x80, 3, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0] + [
                0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0,
            ]
        #expect(
            try parse(bytes, piece: piece) == [
                "open 1 [\"streamtype=error\", \"port=80\", \"requestid=0\"] last",
                "open 3 [\"streamtype=data\", \"port=80\", \"requestid=0\"]", "ping 1", "data 3 hello world", "reset 3",
                "ignored", "goaway",
            ])
    }

    @Test func refusesWhatCannotBeRead() throws {
        let client = SPDYClient()
        var broken = try client.open(1, [("streamtype", "data")])
        broken[20] ^= 0xff
        let tooLong: [UInt8] = [0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff]
        let otherVersion: [UInt8] = [0x80, 2, 0, 1, 0, 0, 0, 0]
        let cutOff: [UInt8] = [0x80, 3, 0, 6, 0, 0, 0, 2, 0, 0]
        for bytes in [broken, tooLong, otherVersion, cutOff] {
            #expect(throws: SPDYViolation.self) { try parse(bytes, piece: 1000) }
        }
    }

    @Test func doesNotUnpackWithoutEnd() throws {
        // 1 MiB of spaces is a few KiB when it is packed.
        let bytes = try SPDYClient().open(1, [("a", String(repeating: " ", count: 1 << 20))])
        #expect(bytes.count < SPDYParser.controlBytes)
        #expect(throws: SPDYViolation.self) { try parse(bytes, piece: 100_000) }
    }

    @Test func cutsLongDataIntoFrames() throws {
        let bytes = [UInt8](repeating: 120, count: (1 << 20) + 5)
        let frames = Array(
            SPDYFrames.data(5, ByteBuffer(bytes: bytes), isLast: true, ByteBufferAllocator()).readableBytesView)
        #expect(frames.count == bytes.count + 16)
        #expect(try parse(frames, piece: 1 << 21) == ["data 5 " + String(decoding: bytes, as: UTF8.self)])
    }

    @Test func survivesNoise() throws {
        var random = SeededRandom(seed: 42)
        for _ in 0..<2_000 {
            var bytes =
                try SPDYClient().open(1, [("streamtype", "data"), ("port", "1")]) + SPDYClient().data(1, [1, 2, 3])
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? parse(bytes, piece: Int.random(in: 1...50, using: &random))  // refused or read, and it ends
        }
    }
}
