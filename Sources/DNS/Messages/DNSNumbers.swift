/// Types of records (the registry of DNS parameters at IANA).
enum RecordType {
    static let a: UInt16 = 1
    static let ns: UInt16 = 2
    static let cname: UInt16 = 5
    static let soa: UInt16 = 6
    static let ptr: UInt16 = 12
    static let hinfo: UInt16 = 13
    static let mx: UInt16 = 15
    static let txt: UInt16 = 16
    static let aaaa: UInt16 = 28
    static let srv: UInt16 = 33
    static let dname: UInt16 = 39
    /// The pseudo-record of EDNS (RFC 6891).
    static let opt: UInt16 = 41
    static let any: UInt16 = 255
}

enum RecordClass {
    static let internet: UInt16 = 1
}

/// How a query ended.
enum ResponseCode {
    static let success: UInt16 = 0
    static let formatError: UInt16 = 1
    static let serverFailure: UInt16 = 2
    static let nameError: UInt16 = 3
    static let notImplemented: UInt16 = 4
    static let refused: UInt16 = 5
    /// A version of EDNS that is not known (RFC 6891 §6.1.3); its upper bits travel in the OPT record.
    static let badVersion: UInt16 = 16
}

/// Bits of a message's second word (RFC 1035 §4.1.1).
enum HeaderFlags {
    static let response: UInt16 = 0x8000
    static let opcode: UInt16 = 0x7800
    static let authoritative: UInt16 = 0x0400
    static let truncated: UInt16 = 0x0200
    static let recursionDesired: UInt16 = 0x0100
    static let recursionAvailable: UInt16 = 0x0080
    static let code: UInt16 = 0x000f
}

/// Lengths that messages have.
enum MessageSize {
    static let header = 12
    /// What every resolver takes over UDP (RFC 1035 §4.2.1).
    static let plain = 512
    /// The most that is sent over UDP: fits the smallest packets that paths of today carry whole (RFC 9715 §3).
    static let datagram = 1232
    /// The most that a length of two bytes says.
    static let stream = 65_535
}
