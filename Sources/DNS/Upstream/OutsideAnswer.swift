/// What a resolver behind has said: kept so that it can be said again, to clients with their own ids and limits.
struct OutsideAnswer: Sendable {
    /// A name that is not, or has no such record, is remembered at most this long.
    private static let negativeLimit: UInt32 = 30
    /// Anything else.
    private static let limit: UInt32 = 3600

    /// The message as it came, without its OPT record where that was the last.
    let bytes: [UInt8]
    let flags: UInt16
    private let questionEnd: Int
    private let additionalCount: Int
    private let answerCount: Int
    /// Where the seconds of each record stand.
    private let ttls: [(index: Int, seconds: UInt32)]
    /// Seconds for which it may be kept; 0 for what may not.
    let lifetime: UInt32

    var code: UInt16 { flags & HeaderFlags.code }
    var isTruncated: Bool { flags & HeaderFlags.truncated != 0 }

    /// Nil for what is no whole answer to that question.
    init?(_ message: UnsafeRawBufferPointer, id: UInt16, name: DNSName, type: UInt16, recordClass: UInt16) {
        guard message.count >= MessageSize.header, DNSRequest.word(message, 0) == id else { return nil }
        let flags = DNSRequest.word(message, 2)
        guard flags & HeaderFlags.response != 0, flags & HeaderFlags.opcode == 0, DNSRequest.word(message, 4) == 1,
            let asked = MessageRecord.expandName(message, MessageSize.header),
            asked.map(DNSName.lowercased) == name.wire
        else { return nil }
        let end = MessageSize.header + asked.count + 4
        guard end <= message.count, DNSRequest.word(message, end - 4) == type,
            DNSRequest.word(message, end - 2) == recordClass
        else { return nil }

        let counts = [6, 8, 10].map { Int(DNSRequest.word(message, $0)) }
        var index = end
        var kept = message.count
        var additionals = counts[2]
        var ttls: [(Int, UInt32)] = []
        var least = UInt32.max
        var negative: UInt32?
        let total = counts.reduce(0, +)
        for number in 0..<total {
            guard let record = MessageRecord(message, at: index) else { return nil }
            index = record.end
            if record.type == RecordType.opt {
                // Between others it stays: nothing after it would keep its place.
                guard number == total - 1 else { continue }
                kept = record.start
                additionals -= 1
            } else {
                // RFC 2181 §8: a set top bit is zero.
                let seconds = record.ttl > UInt32(Int32.max) ? 0 : record.ttl
                ttls.append((record.ttlIndex, seconds))
                least = min(least, seconds)
                if record.type == RecordType.soa, record.data.count >= 4 {
                    let start = record.data.upperBound - 4
                    negative =
                        UInt32(DNSRequest.word(message, start)) << 16 | UInt32(DNSRequest.word(message, start + 2))
                }
            }
        }
        self.flags = flags
        bytes = Array(message[..<kept])
        questionEnd = end
        answerCount = counts[0]
        additionalCount = additionals
        self.ttls = ttls
        let code = flags & HeaderFlags.code
        if flags & HeaderFlags.truncated != 0 {
            lifetime = 0
        } else if code == ResponseCode.success, counts[0] > 0 {
            lifetime = min(least, Self.limit)
        } else if code == ResponseCode.success || code == ResponseCode.nameError {
            // Without an authority nobody says how long (RFC 2308 §5).
            lifetime = negative.map { min($0, least, Self.negativeLimit) } ?? 0
        } else {
            lifetime = 0
        }
    }

    /// Answers a client's query, as somebody who has held the answer for that many seconds.
    func reply(
        to query: UnsafeRawBufferPointer, _ request: DNSRequest, aliases: [[UInt8]], age: UInt32,
        _ out: UnsafeMutableRawBufferPointer, limit: Int
    ) -> Int {
        var writer = AnswerWriter(out, answering: request, query, limit: limit)
        guard aliases.isEmpty else {
            for alias in aliases { writer.add(record: alias) }
            for record in records(age) { writer.add(record: record) }
            return writer.finish(code: code, isAuthoritative: false)
        }
        let fits = writer.addMessage(
            bytes, from: questionEnd, ttls: ttls, age: age, answers: answerCount,
            authorities: Int(bytes.withUnsafeBytes { DNSRequest.word($0, 8) }), additionals: additionalCount)
        return writer.finish(code: code, isAuthoritative: false, isTruncated: isTruncated || !fits)
    }

    /// The answers' records on their own.
    private func records(_ age: UInt32) -> [[UInt8]] {
        var records: [[UInt8]] = []
        bytes.withUnsafeBytes { bytes in
            var index = questionEnd
            for _ in 0..<answerCount {
                guard let record = MessageRecord(bytes, at: index), var whole = record.expanded(bytes) else { return }
                index = record.end
                let length = DNSName.length(of: whole)
                let left = RecordBytes.long(record.ttl > age ? record.ttl - age : 0)
                whole.replaceSubrange(length + 4..<length + 8, with: left)
                records.append(whole)
            }
        }
        return records
    }
}

extension DNSName {
    /// Bytes of the whole name that some bytes begin with.
    fileprivate static func length(of bytes: [UInt8]) -> Int {
        var index = 0
        while index < bytes.count, bytes[index] > 0 { index += Int(bytes[index]) + 1 }
        return index + 1
    }
}
