import CLinux

/// One netlink request in the making: header, fixed part, attributes.
///
/// Numbers are in the machine's order, addresses and ports in the network's, as the kernel wants it. All parts are
/// aligned to 4 bytes.
public struct NetlinkMessage: Sendable {
    /// The message so far; the length in its header is written by `finished`.
    public private(set) var bytes: [UInt8]

    /// Starts a message. The flags NLM_F_REQUEST and NLM_F_ACK are added when it is sent.
    public init(type: UInt16, flags: UInt16, reserving capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
        append(UInt32(0))
        append(type)
        append(flags)
        append(UInt32(0))
        append(UInt32(0))
    }

    /// A number of the fixed part.
    public mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    public mutating func pad() {
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    public mutating func attribute(_ type: Int, _ value: [UInt8]) {
        append(UInt16(truncatingIfNeeded: 4 + value.count))
        append(UInt16(truncatingIfNeeded: type))
        bytes.append(contentsOf: value)
        pad()
    }

    public mutating func attribute(_ type: Int, _ value: some FixedWidthInteger) {
        attribute(type, withUnsafeBytes(of: value) { Array($0) })
    }

    /// A text with the zero byte at its end.
    public mutating func attribute(_ type: Int, _ text: String) {
        attribute(type, Array(text.utf8) + [0])
    }

    /// An attribute made of what the body appends.
    public mutating func nested(_ type: Int, _ body: (inout NetlinkMessage) -> Void) {
        let start = bytes.count
        append(UInt16(0))
        append(UInt16(truncatingIfNeeded: type | 0x8000))  // NLA_F_NESTED
        body(&self)
        let length = UInt16(truncatingIfNeeded: bytes.count - start)
        withUnsafeBytes(of: length) { bytes.replaceSubrange(start..<start + 2, with: $0) }
        pad()
    }

    /// The bytes to send.
    func finished(sequence: UInt32, extraFlags: UInt16) -> [UInt8] {
        var result = bytes
        let length = UInt32(truncatingIfNeeded: result.count)
        withUnsafeBytes(of: length) { result.replaceSubrange(0..<4, with: $0) }
        let flags = (UInt16(result[6]) | UInt16(result[7]) << 8).littleEndian | extraFlags
        withUnsafeBytes(of: flags) { result.replaceSubrange(6..<8, with: $0) }
        withUnsafeBytes(of: sequence) { result.replaceSubrange(8..<12, with: $0) }
        return result
    }
}

/// Reads what the kernel answers. Whatever the bytes are, nothing is read beyond them.
public struct NetlinkReader {
    /// One message of an answer.
    public struct Message {
        public let type: UInt16
        public let flags: UInt16
        public let sequence: UInt32
        /// All behind the header.
        public let body: ArraySlice<UInt8>
    }

    /// The messages of a datagram.
    public static func messages(in datagram: [UInt8]) -> [Message] {
        var messages: [Message] = []
        var rest = datagram[...]
        while rest.count >= 16 {
            let length = Int(number(rest, at: 0, as: UInt32.self))
            guard length >= 16, length <= rest.count else { break }
            let start = rest.startIndex
            messages.append(
                Message(
                    type: number(rest, at: 4, as: UInt16.self), flags: number(rest, at: 6, as: UInt16.self),
                    sequence: number(rest, at: 8, as: UInt32.self), body: rest[(start + 16)..<(start + length)]))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return messages
    }

    /// Calls for each attribute; the type is without the flags in its high bits.
    public static func attributes(
        _ bytes: ArraySlice<UInt8>, _ body: (_ type: Int, _ value: ArraySlice<UInt8>) -> Void
    ) {
        var rest = bytes
        while rest.count >= 4 {
            let length = Int(number(rest, at: 0, as: UInt16.self))
            guard length >= 4, length <= rest.count else { return }
            let start = rest.startIndex
            body(Int(number(rest, at: 2, as: UInt16.self) & 0x3fff), rest[(start + 4)..<(start + length)])
            rest = rest.dropFirst((length + 3) & ~3)
        }
    }

    /// A number at an offset; 0 where the bytes end before.
    public static func number<Value: FixedWidthInteger>(
        _ bytes: ArraySlice<UInt8>, at offset: Int, as: Value.Type = Value.self
    ) -> Value {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, bytes.count >= offset + size else { return 0 }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
    }

    /// A text up to its zero byte.
    public static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
