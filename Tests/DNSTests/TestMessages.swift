import KubeAPI
import Testing

@testable import DNS

/// A message taken apart, as a client sees it.
struct TestMessage {
    struct Record: Equatable {
        let name: String
        let type: UInt16
        let ttl: UInt32
        /// An address, a name, or `priority weight port target`.
        let text: String
    }
    struct Malformed: Error {}

    let id: UInt16
    let flags: UInt16
    let question: [UInt8]
    let answers: [Record]
    let authorities: [Record]
    let additionals: [Record]

    var code: UInt16 { flags & HeaderFlags.code }
    var isTruncated: Bool { flags & HeaderFlags.truncated != 0 }
    var isAuthoritative: Bool { flags & HeaderFlags.authoritative != 0 }

    init(_ bytes: [UInt8]) throws {
        var sections: [[Record]] = []
        let header = try bytes.withUnsafeBytes { bytes in
            guard bytes.count >= 12 else { throw Malformed() }
            let words = (0..<6).map { DNSRequest.word(bytes, $0 * 2) }
            var index = 12
            if words[2] == 1 {
                guard let end = MessageRecord.skipName(bytes, 12) else { throw Malformed() }
                index = end + 4
            }
            let questionEnd = index
            for section in 3..<6 {
                var records: [Record] = []
                for _ in 0..<words[section] {
                    guard let record = MessageRecord(bytes, at: index) else { throw Malformed() }
                    index = record.end
                    records.append(try Self.record(record, bytes))
                }
                sections.append(records)
            }
            guard index == bytes.count else { throw Malformed() }
            return (words[0], words[1], Array(bytes[12..<questionEnd]))
        }
        (id, flags, question) = header
        (answers, authorities, additionals) = (sections[0], sections[1], sections[2])
    }

    private static func record(_ record: MessageRecord, _ bytes: UnsafeRawBufferPointer) throws -> Record {
        func name(_ index: Int) throws -> String {
            guard let wire = MessageRecord.expandName(bytes, index) else { throw Malformed() }
            return DNSName(wire: wire).description
        }
        let data = record.data
        let text: String
        switch record.type {
        case RecordType.a, RecordType.aaaa: text = IPAddress(bytes: Array(bytes[data])).map { "\($0)" } ?? "?"
        case RecordType.cname, RecordType.ptr, RecordType.ns, RecordType.soa: text = try name(data.lowerBound)
        case RecordType.srv:
            let words = (0..<3).map { String(DNSRequest.word(bytes, data.lowerBound + $0 * 2)) }
            text = words.joined(separator: " ") + " " + (try name(data.lowerBound + 6))
        default: text = String(decoding: bytes[data].dropFirst(), as: UTF8.self)
        }
        return Record(name: try name(record.start), type: record.type, ttl: record.ttl, text: text)
    }
}

enum TestQuery {
    /// A query as libc makes it; with a size, one that speaks EDNS.
    static func bytes(_ name: String, _ type: UInt16 = RecordType.a, id: UInt16 = 7, size: UInt16? = nil) -> [UInt8] {
        var wire: [UInt8] = []
        for label in name.split(separator: ".") { wire += [UInt8(label.utf8.count)] + label.utf8 }
        let words: [UInt16] = [id, HeaderFlags.recursionDesired, 1, 0, 0, size == nil ? 0 : 1]
        var bytes = words.flatMap(RecordBytes.word) + wire + [0]
        bytes += RecordBytes.word(type) + RecordBytes.word(RecordClass.internet)
        if let size { bytes += [0] + RecordBytes.word(RecordType.opt) + RecordBytes.word(size) + [0, 0, 0, 0, 0, 0] }
        return bytes
    }
}

extension Responder {
    mutating func verdict(_ query: [UInt8], isStream: Bool = false) -> (Verdict, [UInt8]) {
        var out = [UInt8](repeating: 0, count: isStream ? MessageSize.stream : MessageSize.datagram)
        let verdict = query.withUnsafeBytes { query in
            out.withUnsafeMutableBytes { answer(query, into: $0, isStream: isStream) }
        }
        guard case .reply(let length) = verdict else { return (verdict, []) }
        return (verdict, Array(out[..<length]))
    }

    mutating func ask(_ name: String, _ type: UInt16 = RecordType.a, size: UInt16? = nil) throws -> TestMessage {
        let (_, bytes) = verdict(TestQuery.bytes(name, type, size: size))
        return try TestMessage(bytes)
    }
}
