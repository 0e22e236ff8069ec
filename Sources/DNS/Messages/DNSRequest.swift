/// A query as it came, looked at in place: only what answering needs.
struct DNSRequest {
    /// Why a message is no query that can be answered.
    enum Problem: Error, Equatable {
        /// Too short for an answer, or an answer itself: replying could begin a ping-pong.
        case ignored
        /// To be answered with that code.
        case refused(UInt16, id: UInt16, flags: UInt16)
    }

    let id: UInt16
    let flags: UInt16
    let type: UInt16
    let recordClass: UInt16
    /// Where the question ends; it begins after the header.
    let questionEnd: Int
    /// Bytes of the name in lower case.
    let nameLength: Int
    /// The client speaks EDNS.
    let hasEDNS: Bool
    let version: UInt8
    /// The client wants DNSSEC records.
    let wantsSignatures: Bool
    /// The longest answer that the client takes over UDP.
    let payloadSize: Int

    var isRecursionDesired: Bool { flags & HeaderFlags.recursionDesired != 0 }

    /// Reads a message; its name goes into `name` (255 bytes) in lower case.
    init(_ bytes: UnsafeRawBufferPointer, name: UnsafeMutableRawBufferPointer) throws(Problem) {
        guard bytes.count >= MessageSize.header else { throw .ignored }
        id = Self.word(bytes, 0)
        flags = Self.word(bytes, 2)
        guard flags & HeaderFlags.response == 0 else { throw .ignored }
        guard flags & HeaderFlags.opcode == 0 else {
            throw .refused(ResponseCode.notImplemented, id: id, flags: flags)
        }
        let malformed = Problem.refused(ResponseCode.formatError, id: id, flags: flags)
        guard Self.word(bytes, 4) == 1 else { throw malformed }

        var index = MessageSize.header
        var length = 0
        while true {
            guard index < bytes.count else { throw malformed }
            let label = Int(bytes[index])
            // Compression has nothing to point to in a question.
            guard label <= DNSName.maxLabel, length + label + 1 <= DNSName.maxLength, index + label < bytes.count else {
                throw malformed
            }
            name[length] = UInt8(label)
            for offset in 1..<label + 1 {
                name[length + offset] = DNSName.lowercased(bytes[index + offset])
            }
            index += label + 1
            length += label + 1
            if label == 0 { break }
        }
        guard index + 4 <= bytes.count else { throw malformed }
        type = Self.word(bytes, index)
        recordClass = Self.word(bytes, index + 2)
        questionEnd = index + 4
        nameLength = length

        // Records may stand before OPT only where a client is odd: those are gone over.
        var records = Int(Self.word(bytes, 6)) + Int(Self.word(bytes, 8)) + Int(Self.word(bytes, 10))
        var edns: (size: Int, version: UInt8, signatures: Bool)?
        index += 4
        while records > 0 {
            guard let record = MessageRecord(bytes, at: index) else { throw malformed }
            if record.type == RecordType.opt {
                guard edns == nil, bytes[index] == 0 else { throw malformed }
                edns = (
                    Int(record.recordClass), UInt8(truncatingIfNeeded: record.ttl >> 16), record.ttl & 0x8000 != 0
                )
            }
            index = record.end
            records -= 1
        }
        hasEDNS = edns != nil
        version = edns?.version ?? 0
        wantsSignatures = edns?.signatures ?? false
        payloadSize = min(max(edns?.size ?? MessageSize.plain, MessageSize.plain), MessageSize.datagram)
    }

    static func word(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> UInt16 {
        UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1])
    }
}
