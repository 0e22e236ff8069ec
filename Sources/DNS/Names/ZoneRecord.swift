import KubeAPI

/// Something that one source says of a name.
struct ZoneRecord: Hashable, Sendable {
    /// As in `RecordType`; `existence` says only that there is such a name.
    let type: UInt16
    let content: [UInt8]
    /// Addresses of the name that the content points to, which a client will ask for next.
    var glue: [Glue] = []

    struct Glue: Hashable, Sendable {
        let name: DNSName
        let address: IPAddress
    }

    static let existence = ZoneRecord(type: 0, content: [])

    static func address(_ address: IPAddress) -> ZoneRecord {
        ZoneRecord(type: RecordBytes.addressType(address), content: address.bytes)
    }

    static func pointer(_ name: DNSName) -> ZoneRecord { ZoneRecord(type: RecordType.ptr, content: name.wire) }
    static func alias(_ name: DNSName) -> ZoneRecord { ZoneRecord(type: RecordType.cname, content: name.wire) }
}

/// All records of one type at one name, as they stand in an answer to a question for that name.
struct PreparedAnswer: Sendable {
    let type: UInt16
    let count: Int
    let bytes: [UInt8]
    /// The length of each record, where all have the same: their order can then change from answer to answer.
    let stride: Int
    let glue: [UInt8]
    let glueCount: Int

    init(type: UInt16, _ records: [ZoneRecord], ttl: UInt32) {
        self.type = type
        let encoded = records.map { RecordBytes.record(RecordBytes.questionName, type, ttl: ttl, $0.content) }
        count = encoded.count
        bytes = encoded.flatMap { $0 }
        let lengths = Set(encoded.map(\.count))
        stride = lengths.count == 1 ? lengths.first ?? 0 : 0
        var seen: Set<ZoneRecord.Glue> = []
        let glue = records.flatMap(\.glue).filter { seen.insert($0).inserted }
        self.glue = glue.flatMap {
            RecordBytes.record($0.name.wire, RecordBytes.addressType($0.address), ttl: ttl, $0.address.bytes)
        }
        glueCount = glue.count
    }
}
