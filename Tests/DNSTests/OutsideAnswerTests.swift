import KubeAPI
import Testing

@testable import DNS

@Suite struct OutsideAnswerTests {
    private static let name = DNSName("www.example.org") ?? .root

    /// An answer as a resolver sends it, its names compressed.
    private static func message(
        id: UInt16 = 9, flags: UInt16 = 0x8180, ttl: UInt32 = 100, count: Int = 2, hasOPT: Bool = true
    ) -> [UInt8] {
        var bytes = [id, flags, 1, UInt16(count), 0, hasOPT ? 1 : 0].flatMap(RecordBytes.word) + name.wire
        bytes += RecordBytes.word(RecordType.a) + RecordBytes.word(RecordClass.internet)
        for number in 0..<count {
            bytes += RecordBytes.record(
                RecordBytes.questionName, RecordType.a, ttl: ttl + UInt32(number), [192, 0, 2, UInt8(number)])
        }
        if hasOPT { bytes += [0] + RecordBytes.word(RecordType.opt) + [4, 208, 0, 0, 0, 0, 0, 0] }
        return bytes
    }

    private static func read(_ bytes: [UInt8], id: UInt16 = 9, type: UInt16 = RecordType.a) -> OutsideAnswer? {
        bytes.withUnsafeBytes {
            OutsideAnswer($0, id: id, name: name, type: type, recordClass: RecordClass.internet)
        }
    }

    private func reply(
        _ answer: OutsideAnswer, to query: [UInt8], aliases: [[UInt8]] = [], age: UInt32 = 0
    ) throws -> TestMessage {
        var out = [UInt8](repeating: 0, count: MessageSize.datagram)
        let length = try query.withUnsafeBytes { query in
            var name = [UInt8](repeating: 0, count: 255)
            let request = try name.withUnsafeMutableBytes { try DNSRequest(query, name: $0) }
            return out.withUnsafeMutableBytes {
                answer.reply(to: query, request, aliases: aliases, age: age, $0, limit: request.payloadSize)
            }
        }
        return try TestMessage(Array(out[..<length]))
    }

    @Test func onlyTheAnswerToTheQuestionIsTaken() {
        #expect(Self.read(Self.message()) != nil)
        #expect(Self.read(Self.message(), id: 10) == nil)
        #expect(Self.read(Self.message(), type: RecordType.aaaa) == nil)
        #expect(Self.read(Self.message(flags: 0x0100)) == nil)
        let whole = Self.message()
        for cut in 0..<whole.count { #expect(Self.read(Array(whole.prefix(cut))) == nil, "cut to \(cut)") }
    }

    @Test func aClientGetsItWithItsOwnIdAndLessTime() throws {
        let answer = try #require(Self.read(Self.message()))
        let plain = try reply(answer, to: TestQuery.bytes("WWW.example.org", id: 77), age: 40)
        #expect(plain.id == 77 && !plain.isAuthoritative)
        #expect(plain.answers.map(\.text) == ["192.0.2.0", "192.0.2.1"])
        #expect(plain.answers.map(\.ttl) == [60, 61])
        // One that does not speak EDNS sees none of it.
        #expect(plain.additionals.isEmpty)
        let edns = try reply(answer, to: TestQuery.bytes("www.example.org", size: 1232))
        #expect(edns.additionals.map(\.type) == [RecordType.opt])
    }

    @Test func whatIsTooLongIsMarked() throws {
        let answer = try #require(Self.read(Self.message(count: 60)))
        let plain = try reply(answer, to: TestQuery.bytes("www.example.org"))
        #expect(plain.isTruncated && plain.answers.isEmpty)
        #expect(try reply(answer, to: TestQuery.bytes("www.example.org", size: 4096)).answers.count == 60)
    }

    @Test func itStandsBehindAnAlias() throws {
        let answer = try #require(Self.read(Self.message()))
        let alias = RecordBytes.record(RecordBytes.questionName, RecordType.cname, ttl: 5, Self.name.wire)
        let reply = try reply(answer, to: TestQuery.bytes("out.default.svc.cluster.local"), aliases: [alias], age: 1)
        #expect(
            reply.answers == [
                .init(name: "out.default.svc.cluster.local", type: RecordType.cname, ttl: 5, text: "www.example.org"),
                .init(name: "www.example.org", type: RecordType.a, ttl: 99, text: "192.0.2.0"),
                .init(name: "www.example.org", type: RecordType.a, ttl: 100, text: "192.0.2.1"),
            ])
    }

    @Test func itIsKeptAsLongAsItSays() throws {
        #expect(Self.read(Self.message(ttl: 100))?.lifetime == 100)
        #expect(Self.read(Self.message(ttl: 1_000_000))?.lifetime == 3600)
        // A failure says nothing of tomorrow.
        #expect(Self.read(Self.message(flags: 0x8182, count: 0))?.lifetime == 0)
        // Neither does a part.
        #expect(Self.read(Self.message(flags: 0x8380))?.lifetime == 0)
        // That a name is not is kept where an authority says how long.
        #expect(Self.read(Self.message(flags: 0x8183, count: 0))?.lifetime == 0)
    }

    @Test func theCacheForgets() throws {
        let answer = try #require(Self.read(Self.message(ttl: 10)))
        let key = OutsideCache.Key(
            .init(name: Self.name, type: RecordType.a, recordClass: 1, wantsSignatures: false))
        var cache = OutsideCache(limit: 100)
        cache.insert(key, answer, now: 1000)
        #expect(cache.find(key, now: 1009)?.age == 9)
        #expect(cache.find(key, now: 1010) == nil)
        #expect(cache.count == 0)
        for number in 0..<500 {
            let name = DNSName("n\(number).example.org") ?? .root
            cache.insert(
                .init(.init(name: name, type: 1, recordClass: 1, wantsSignatures: false)), answer, now: 1000)
            #expect(cache.count <= 100)
        }
    }

    @Test func pointersInACircleAreRefused() {
        var message = Self.message()
        let owner = MessageSize.header + Self.name.wire.count + 4
        message[owner] = 0xc0
        message[owner + 1] = UInt8(owner)
        message.withUnsafeBytes { #expect(MessageRecord.expandName($0, owner) == nil) }
    }
}
