import KubeAPI

/// What a rule reads from a packet or its connection, and what keys and data of sets are made of. Each field says how
/// nft writes it, how it is loaded, and how it stands in a set's description.
enum NftField: Sendable, Hashable {
    case address(NftSide, IPAddress.Family)
    /// The first bits of the client's address, that many, and zeros.
    case sourcePrefix(Int, IPAddress.Family)
    case protocolNumber
    case destinationPort
    case mark
    /// The mark's bits within a mask.
    case maskedMark(UInt32)
    /// The same with other bits set.
    case maskedMarkWith(UInt32, UInt32)
    /// A random number below that.
    case random(Int)

    /// As nft writes it in a rule or after `typeof`.
    var text: String {
        switch self {
        case .address(let side, let family): "\(family.nftText) \(side.text)"
        case .sourcePrefix(let length, let family):
            length == family.bitCount
                ? "\(family.nftText) saddr" : "(\(family.nftText) saddr & \(family.mask(length)))"
        case .protocolNumber: "meta l4proto"
        case .destinationPort: "th dport"
        case .mark: "ct mark"
        case .maskedMark(let mask): "(ct mark & \(hex(mask)))"
        case .maskedMarkWith(let mask, let bits): "(ct mark & \(hex(mask)) | \(hex(bits)))"
        case .random(let limit): "numgen random mod \(limit)"
        }
    }

    /// How a value of it is written.
    enum Form: Sendable { case address(IPAddress.Family), proto, port, mark, number }
    var form: Form {
        switch self {
        case .address(_, let family), .sourcePrefix(_, let family): .address(family)
        case .protocolNumber: .proto
        case .destinationPort: .port
        case .mark, .maskedMark, .maskedMarkWith: .mark
        case .random: .number
        }
    }

    /// The word at which the first such field stands.
    static func place(of field: NftField, in fields: [NftField]) -> Int {
        fields.prefix { $0 != field }.reduce(0) { $0 + $1.wordCount }
    }

    /// The number of nft's data type.
    var typeNumber: UInt32 {
        switch form {
        case .address(let family): family == .ipv4 ? 7 : 8
        case .proto: 12
        case .port: 13
        case .mark: 19
        case .number: 4
        }
    }

    /// Words of a value in a concatenation, where every field takes whole ones.
    var wordCount: Int { if case .address(let family) = form { family.wordCount } else { 1 } }

    /// Bytes of a value that stands alone.
    var byteCount: UInt32 {
        switch form {
        case .address(let family): UInt32(family.byteCount)
        case .proto: 1
        case .port: 2
        default: 4
        }
    }

    /// 1 for the machine's byte order, 2 for the network's.
    var byteOrder: UInt32 {
        switch form {
        case .mark, .number, .proto: 1
        case .address, .port: 2
        }
    }

    /// nft's own description of the expression, which it keeps with a set so that it can write `typeof`.
    var description: [UInt8] {
        switch self {
        case .address(.destinationAddress, .ipv4): Self.payload(protocol: 12, field: 12)
        case .address(.destinationAddress, .ipv6): Self.payload(protocol: 13, field: 9)
        case .address(.sourceAddress, .ipv4), .sourcePrefix(_, .ipv4): Self.payload(protocol: 12, field: 11)
        case .address(.sourceAddress, .ipv6), .sourcePrefix(_, .ipv6): Self.payload(protocol: 13, field: 8)
        case .destinationPort: Self.payload(protocol: 11, field: 2)
        case .protocolNumber: UserData.number(0, 9) + UserData.nested(1, UserData.number(0, 16))
        case .mark, .maskedMark, .maskedMarkWith:
            UserData.number(0, 12) + UserData.nested(1, UserData.number(0, 3) + UserData.number(1, .max))
        case .random(let limit):
            UserData.number(0, 23)
                + UserData.nested(
                    1, UserData.number(0, 1) + UserData.number(1, UInt32(limit)) + UserData.number(2, 0))
        }
    }

    private static func payload(protocol number: UInt32, field: UInt32) -> [UInt8] {
        UserData.number(0, 7) + UserData.nested(1, UserData.number(0, number) + UserData.number(1, field))
    }
}

/// nft's notes on a set: type, length, value, each of one byte but the value.
enum UserData {
    static func number(_ type: UInt8, _ value: UInt32) -> [UInt8] {
        [type, 4] + withUnsafeBytes(of: value) { Array($0) }
    }
    static func nested(_ type: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [type, UInt8(truncatingIfNeeded: bytes.count)] + bytes
    }
}

/// `0x00001000`
func hex(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}
