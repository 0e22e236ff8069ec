import KubeAPI

/// Key or data of a set's element: words of 4 bytes as they lie in memory, which is what the kernel takes. Wide enough
/// for two addresses of IPv6. Plain, because full loads make hundreds of thousands.
typealias NftWords = SIMD8<UInt32>

extension NftWords {
    static func word(_ address: IPAddress) -> UInt32 { (address.ipv4 ?? 0).bigEndian }
    static func word(_ proto: TransportProtocol) -> UInt32 { UInt32(proto.rawValue).littleEndian }
    static func word(port: UInt16) -> UInt32 { UInt32(port.byteSwapped).littleEndian }

    init(_ words: UInt32...) {
        self.init(repeating: 0)
        for (index, word) in words.enumerated() { self[index] = word }
    }
}

/// An element of a set or map, without the set's name.
struct NftElement: Hashable, Sendable {
    var key: NftWords
    /// Zero in a set.
    var data: NftWords

    init(_ key: NftWords, _ data: NftWords = NftWords(repeating: 0)) {
        self.key = key
        self.data = data
    }
}

extension NftField.Form {
    /// A value as nft writes it.
    func text(_ word: UInt32) -> String {
        switch self {
        case .address:
            return IPAddress(ipv4: UInt32(bigEndian: word)).description
        case .proto:
            let number = UInt8(truncatingIfNeeded: UInt32(littleEndian: word))
            return TransportProtocol(rawValue: number)?.text ?? String(number)
        case .port: return String(UInt16(truncatingIfNeeded: UInt32(littleEndian: word)).byteSwapped)
        case .mark: return hex(word)
        case .number: return String(word)
        }
    }
}
