/// Where one record of a message lies, and what its fixed part says.
struct MessageRecord {
    let start: Int
    let type: UInt16
    let recordClass: UInt16
    let ttl: UInt32
    /// Of the four bytes of `ttl`.
    let ttlIndex: Int
    let data: Range<Int>
    var end: Int { data.upperBound }

    /// Nil where the message ends too early.
    init?(_ bytes: UnsafeRawBufferPointer, at start: Int) {
        guard let fixed = Self.skipName(bytes, start), fixed + 10 <= bytes.count else { return nil }
        let length = Int(DNSRequest.word(bytes, fixed + 8))
        guard fixed + 10 + length <= bytes.count else { return nil }
        self.start = start
        type = DNSRequest.word(bytes, fixed)
        recordClass = DNSRequest.word(bytes, fixed + 2)
        ttl = UInt32(DNSRequest.word(bytes, fixed + 4)) << 16 | UInt32(DNSRequest.word(bytes, fixed + 6))
        ttlIndex = fixed + 4
        data = fixed + 10..<fixed + 10 + length
    }

    /// The index behind a name, which may end in a pointer.
    static func skipName(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int? {
        var index = start
        while index < bytes.count {
            let length = Int(bytes[index])
            if length & 0xc0 == 0xc0 { return index + 2 <= bytes.count ? index + 2 : nil }
            guard length <= DNSName.maxLabel else { return nil }
            index += length + 1
            if length == 0 { return index }
        }
        return nil
    }

    /// The whole name that begins there, pointers followed, as it is written; nil for what is none.
    static func expandName(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> [UInt8]? {
        var wire: [UInt8] = []
        var index = start
        // A pointer must lead backwards, so that there is no circle.
        var bound = start
        while index < bytes.count {
            let length = Int(bytes[index])
            if length & 0xc0 == 0xc0 {
                guard index + 1 < bytes.count else { return nil }
                let target = (length & 0x3f) << 8 | Int(bytes[index + 1])
                guard target < bound else { return nil }
                bound = target
                index = target
                continue
            }
            guard length <= DNSName.maxLabel, wire.count + length + 1 <= DNSName.maxLength,
                index + length < bytes.count
            else { return nil }
            wire += bytes[index...index + length]
            if length == 0 { return wire }
            index += length + 1
        }
        return nil
    }

    /// The record without pointers into its message, to stand in another; nil where that can't be.
    func expanded(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let owner = Self.expandName(bytes, start) else { return nil }
        var content: [UInt8]
        switch type {
        case RecordType.cname, RecordType.ns, RecordType.ptr, RecordType.dname:
            guard let name = Self.expandName(bytes, data.lowerBound) else { return nil }
            content = name
        case RecordType.mx, RecordType.srv:
            let fixed = type == RecordType.mx ? 2 : 6
            guard data.count > fixed, let name = Self.expandName(bytes, data.lowerBound + fixed) else { return nil }
            content = Array(bytes[data.lowerBound..<data.lowerBound + fixed]) + name
        case RecordType.soa:
            guard let first = Self.expandName(bytes, data.lowerBound),
                let middle = Self.skipName(bytes, data.lowerBound),
                let second = Self.expandName(bytes, middle), let rest = Self.skipName(bytes, middle),
                rest <= data.upperBound
            else { return nil }
            content = first + second + Array(bytes[rest..<data.upperBound])
        default:
            content = Array(bytes[data])
        }
        guard content.count <= Int(UInt16.max) else { return nil }
        return owner + Array(bytes[ttlIndex - 4..<ttlIndex + 4])
            + [UInt8(content.count >> 8), UInt8(content.count & 0xff)] + content
    }
}
