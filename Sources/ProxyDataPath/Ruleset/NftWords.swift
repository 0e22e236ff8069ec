import KubeAPI

/// Key or data of a set's element: words of 4 bytes as they lie in memory, which is what the kernel takes. Wide enough
/// for two addresses of IPv6. Plain, because full loads make hundreds of thousands.
typealias NftWords = SIMD8<UInt32>

extension NftWords {
    static func word(_ proto: TransportProtocol) -> UInt32 { UInt32(proto.rawValue).littleEndian }
    static func word(port: UInt16) -> UInt32 { UInt32(port.byteSwapped).littleEndian }

    init(_ words: UInt32...) {
        self.init(repeating: 0)
        for (index, word) in words.enumerated() { self[index] = word }
    }

    /// An address, one word or four, with what follows it.
    init(_ address: IPAddress, _ first: UInt32 = 0, _ second: UInt32 = 0) {
        self.init(repeating: 0)
        put(address, at: 0)
        let next = address.family.wordCount
        self[next] = first
        self[next + 1] = second
    }

    mutating func put(_ address: IPAddress, at place: Int) {
        if let number = address.ipv4 {
            self[place] = number.bigEndian
            return
        }
        for index in 0..<4 {
            self[place + index] = UInt32(truncatingIfNeeded: address.bits >> UInt128(96 - 32 * index)).bigEndian
        }
    }

    /// The address that stands there.
    func address(_ family: IPAddress.Family, at place: Int = 0) -> IPAddress {
        if family == .ipv4 { return IPAddress(ipv4: UInt32(bigEndian: self[place])) }
        return IPAddress(ipv6: (0..<4).reduce(0) { $0 << 32 | UInt128(UInt32(bigEndian: self[place + $1])) })
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
    func text(_ words: NftWords, at place: Int) -> String {
        let word = words[place]
        switch self {
        case .address(let family): return words.address(family, at: place).description
        case .proto:
            let number = UInt8(truncatingIfNeeded: UInt32(littleEndian: word))
            return TransportProtocol(rawValue: number)?.text ?? String(number)
        case .port: return String(UInt16(truncatingIfNeeded: UInt32(littleEndian: word)).byteSwapped)
        case .mark: return hex(word)
        case .number: return String(word)
        }
    }
}
