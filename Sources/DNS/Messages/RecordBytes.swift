import KubeAPI

/// Contents and whole records in the form of messages.
enum RecordBytes {
    /// A pointer to the question's name, behind the header.
    static let questionName: [UInt8] = [0xc0, UInt8(MessageSize.header)]

    static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }
    static func long(_ value: UInt32) -> [UInt8] {
        word(UInt16(truncatingIfNeeded: value >> 16)) + word(UInt16(truncatingIfNeeded: value))
    }

    static func record(_ owner: [UInt8], _ type: UInt16, ttl: UInt32, _ content: [UInt8]) -> [UInt8] {
        owner + word(type) + word(RecordClass.internet) + long(ttl) + word(UInt16(truncatingIfNeeded: content.count))
            + content
    }

    /// RFC 2782; all of one priority, as cluster DNS has it.
    static func service(weight: UInt16, port: UInt16, target: DNSName) -> [UInt8] {
        word(0) + word(weight) + word(port) + target.wire
    }

    /// One string, cut to what fits one.
    static func text(_ text: String) -> [UInt8] {
        let bytes = text.utf8.prefix(255)
        return [UInt8(bytes.count)] + bytes
    }

    static func addressType(_ address: IPAddress) -> UInt16 { address.isIPv4 ? RecordType.a : RecordType.aaaa }

    /// The start of authority of one of our zones. Its last number is how long a client may remember that a name is not.
    static func authority(of zone: DNSName, server: DNSName, mailbox: DNSName, serial: UInt32, ttl: UInt32) -> [UInt8] {
        server.wire + mailbox.wire + long(serial) + long(7200) + long(1800) + long(86_400) + long(ttl)
    }
}
