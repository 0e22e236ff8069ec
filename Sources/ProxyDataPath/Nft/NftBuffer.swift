import CNetfilter
import Glibc

/// Bytes of netlink messages in the making: memory that grows, into which libnftnl and we write alike.
struct NftBuffer: ~Copyable {
    /// More than any message that libnftnl writes for us: it does not check for room.
    static let slack = 16 << 10

    private(set) var bytes: UnsafeMutableRawPointer
    private var capacity: Int
    private(set) var count = 0

    init(capacity: Int = 256 << 10) {
        self.capacity = capacity
        bytes = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { bytes.deallocate() }

    mutating func removeAll() { count = 0 }

    /// Makes room for that many bytes more.
    mutating func reserve(_ more: Int) {
        guard count + more > capacity else { return }
        let larger = max(capacity * 2, count + more)
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        fresh.copyMemory(from: bytes, byteCount: count)
        bytes.deallocate()
        bytes = fresh
        capacity = larger
    }

    var end: UnsafeMutableRawPointer { bytes + count }

    mutating func advance(_ step: Int) { count += step }

    /// Appends a message that libnftnl writes; it must fit the slack.
    mutating func message(_ build: (UnsafeMutablePointer<CChar>) -> UnsafeMutablePointer<nlmsghdr>?) {
        reserve(Self.slack)
        let place = end.assumingMemoryBound(to: CChar.self)
        guard let header = build(place) else { return }
        count += (Int(header.pointee.nlmsg_len) + 3) & ~3
    }

    // The caller has reserved room.

    mutating func append(_ value: UInt16) {
        end.storeBytes(of: value, as: UInt16.self)
        count += 2
    }
    mutating func append(_ value: UInt32) {
        end.storeBytes(of: value, as: UInt32.self)
        count += 4
    }
    /// An attribute's header; `length` is that of its value.
    mutating func attribute(_ type: Int, length: Int, nested: Bool = false) {
        append(UInt16(truncatingIfNeeded: length + 4))
        append(UInt16(truncatingIfNeeded: nested ? type | Int(NLA_F_NESTED) : type))
    }
    mutating func attribute(_ type: Int, _ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            attribute(type, length: utf8.count + 1)
            if let base = utf8.baseAddress { end.copyMemory(from: base, byteCount: utf8.count) }
            (end + utf8.count).initializeMemory(as: UInt8.self, repeating: 0, count: 4)
            count += (utf8.count + 4) & ~3
        }
    }
    /// Writes the length of an attribute that began there.
    func close(attributeAt start: Int) {
        (bytes + start).storeBytes(of: UInt16(truncatingIfNeeded: count - start), as: UInt16.self)
    }
    /// Writes the length of a message that began there.
    func close(messageAt start: Int) {
        (bytes + start).storeBytes(of: UInt32(truncatingIfNeeded: count - start), as: UInt32.self)
    }
}
