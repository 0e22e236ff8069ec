/// Puts an answer together in a buffer, never past its limit.
struct AnswerWriter: ~Copyable {
    private let buffer: UnsafeMutableRawBufferPointer
    private let limit: Int
    private let request: DNSRequest
    private let answerStart: Int
    private(set) var length: Int
    private var answers = 0
    private var authorities = 0
    private var additionals = 0
    private var isTruncated = false

    /// Begins with the request's question, in its own spelling. `limit` counts the OPT record that will follow.
    init(
        _ buffer: UnsafeMutableRawBufferPointer, answering request: DNSRequest, _ bytes: UnsafeRawBufferPointer,
        limit: Int
    ) {
        self.buffer = buffer
        self.request = request
        self.limit = min(limit, buffer.count) - (request.hasEDNS ? Self.optLength : 0)
        length = request.questionEnd
        answerStart = length
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<request.questionEnd]))
    }

    static let optLength = 11

    /// Adds a set of records, from the one with that number on; those that do not fit are missed out, and the client is
    /// told that there are more.
    mutating func add(_ answer: PreparedAnswer, first: Int) {
        guard answer.count > 0 else { return }
        if length + answer.bytes.count <= limit {
            let offset = answer.stride > 0 ? first % answer.count * answer.stride : 0
            answer.bytes.withUnsafeBytes { bytes in
                append(bytes[offset...])
                append(bytes[..<offset])
            }
            answers += answer.count
        } else {
            isTruncated = true
            let fitting = answer.stride > 0 ? max(0, limit - length) / answer.stride : 0
            answer.bytes.withUnsafeBytes { append($0[..<(fitting * answer.stride)]) }
            answers += fitting
        }
    }

    /// Adds one whole record to the answers; false where there is no room.
    @discardableResult mutating func add(record: [UInt8]) -> Bool {
        guard length + record.count <= limit else {
            isTruncated = true
            return false
        }
        record.withUnsafeBytes { append($0[...]) }
        answers += 1
        return true
    }

    /// Addresses that the client would ask for next, where there is room for all.
    mutating func addGlue(_ answer: PreparedAnswer) {
        guard !isTruncated, answer.glueCount > 0, length + answer.glue.count <= limit else { return }
        answer.glue.withUnsafeBytes { append($0[...]) }
        additionals += answer.glueCount
    }

    mutating func addAuthority(_ record: [UInt8]) {
        guard authorities == 0, length + record.count <= limit else { return }
        record.withUnsafeBytes { append($0[...]) }
        authorities = 1
    }

    /// Takes over everything behind another message's question, whose names point to the same places; false, and nothing
    /// added, where there is no room.
    mutating func addMessage(
        _ message: [UInt8], from start: Int, ttls: [(index: Int, seconds: UInt32)], age: UInt32, answers: Int,
        authorities: Int, additionals: Int
    ) -> Bool {
        guard length == start, message.count <= limit else { return false }
        message.withUnsafeBytes { append($0[start...]) }
        for (index, seconds) in ttls {
            let left = seconds > age ? seconds - age : 0
            put(index, UInt16(truncatingIfNeeded: left >> 16))
            put(index + 2, UInt16(truncatingIfNeeded: left))
        }
        self.answers += answers
        self.authorities += authorities
        self.additionals += additionals
        return true
    }

    private mutating func append(_ bytes: Slice<UnsafeRawBufferPointer>) {
        guard !bytes.isEmpty else { return }
        UnsafeMutableRawBufferPointer(rebasing: buffer[length...]).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: bytes))
        length += bytes.count
    }

    /// Writes the header and the OPT record; the length of the whole.
    mutating func finish(code: UInt16, isAuthoritative: Bool, isTruncated: Bool = false) -> Int {
        if request.hasEDNS {
            let opt: [UInt8] =
                [0] + RecordBytes.word(RecordType.opt) + RecordBytes.word(UInt16(MessageSize.datagram))
                + [UInt8(code >> 4), 0, 0, 0, 0, 0]
            opt.withUnsafeBytes { append($0[...]) }
            additionals += 1
        }
        var flags = HeaderFlags.response | HeaderFlags.recursionAvailable | code & HeaderFlags.code
        flags |= request.flags & HeaderFlags.recursionDesired
        if isAuthoritative { flags |= HeaderFlags.authoritative }
        if self.isTruncated || isTruncated { flags |= HeaderFlags.truncated }
        put(0, request.id)
        put(2, flags)
        put(4, 1)
        put(6, UInt16(clamping: answers))
        put(8, UInt16(clamping: authorities))
        put(10, UInt16(clamping: additionals))
        return length
    }

    private func put(_ index: Int, _ value: UInt16) {
        buffer[index] = UInt8(value >> 8)
        buffer[index + 1] = UInt8(truncatingIfNeeded: value)
    }

    /// An answer of nothing but a header, to what was no question.
    static func refusal(
        _ buffer: UnsafeMutableRawBufferPointer, code: UInt16, id: UInt16, flags: UInt16
    ) -> Int {
        let words: [UInt16] = [
            id,
            HeaderFlags.response | HeaderFlags.recursionAvailable | code
                | flags & (HeaderFlags.opcode | HeaderFlags.recursionDesired),
            0, 0, 0, 0,
        ]
        for (index, word) in words.enumerated() {
            buffer[index * 2] = UInt8(word >> 8)
            buffer[index * 2 + 1] = UInt8(truncatingIfNeeded: word)
        }
        return MessageSize.header
    }
}
