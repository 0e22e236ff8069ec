import CNetfilter
import Glibc
import Kernel

/// Receives datagrams of netfilter's netlink into one buffer, and walks through their messages.
struct NftReceiver: ~Copyable {
    /// The kernel makes dumps of at most 32 KiB.
    private static let capacity = 64 << 10
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: NftReceiver.capacity, alignment: 16)

    deinit { memory.deallocate() }

    struct Message {
        let type: UInt16
        let flags: UInt16
        let sequence: UInt32
        /// The whole message, for libnftnl.
        let header: UnsafePointer<nlmsghdr>
        let count: Int

        /// Of an NLMSG_ERROR: a negative errno, or 0.
        var error: Int32 {
            count >= 20 ? UnsafeRawPointer(header).load(fromByteOffset: 16, as: Int32.self) : -EBADMSG
        }
        /// nf_tables: the low bits of the generation that was read.
        var generation: UInt16 {
            count >= 20 ? UnsafeRawPointer(header).load(fromByteOffset: 18, as: UInt16.self) : 0
        }
        /// Behind the header and the 4 bytes of family, version and resource.
        var attributes: NftAttributes {
            NftAttributes(UnsafeRawBufferPointer(start: UnsafeRawPointer(header) + 20, count: max(0, count - 20)))
        }
    }

    struct Datagram {
        fileprivate let bytes: UnsafeRawBufferPointer

        func forEachMessage(_ body: (Message) -> Void) {
            var offset = 0
            while offset + 16 <= bytes.count {
                let header = bytes.baseAddress.map { $0 + offset }?.assumingMemoryBound(to: nlmsghdr.self)
                guard let header else { return }
                let length = Int(header.pointee.nlmsg_len)
                guard length >= 16, offset + length <= bytes.count else { return }
                body(
                    Message(
                        type: header.pointee.nlmsg_type, flags: header.pointee.nlmsg_flags,
                        sequence: header.pointee.nlmsg_seq, header: header, count: length))
                offset += (length + 3) & ~3
            }
        }
    }

    /// The next datagram; valid until the next call. Nil where there is none and `wait` is false.
    mutating func receive(_ socket: Int32, wait: Bool) throws(KernelError) -> Datagram? {
        while true {
            let count = recv(socket, memory.baseAddress, memory.count, wait ? 0 : Int32(MSG_DONTWAIT))
            if count >= 0 { return Datagram(bytes: UnsafeRawBufferPointer(rebasing: memory[..<count])) }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            default: throw KernelError("receive from", "netfilter")
            }
        }
    }

    /// Throws away what waits.
    mutating func discardAll(_ socket: Int32) {
        while true {
            if recv(socket, memory.baseAddress, memory.count, Int32(MSG_DONTWAIT)) >= 0 { continue }
            // ENOBUFS is told once and then forgotten; what it told of is thrown away here anyhow.
            if errno != EINTR, errno != ENOBUFS { return }
        }
    }
}

/// Attributes in a row; nothing is read beyond their end.
struct NftAttributes: Sequence, IteratorProtocol {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    /// Type without its flags, and value.
    mutating func next() -> (type: Int, value: UnsafeRawBufferPointer)? {
        guard rest.count >= 4 else { return nil }
        let length = Int(rest.load(as: UInt16.self))
        guard length >= 4, length <= rest.count else { return nil }
        let type = Int(rest.load(fromByteOffset: 2, as: UInt16.self) & 0x3fff)
        let value = UnsafeRawBufferPointer(rebasing: rest[4..<length])
        rest = UnsafeRawBufferPointer(rebasing: rest[Swift.min((length + 3) & ~3, rest.count)...])
        return (type, value)
    }
}

extension UnsafeRawBufferPointer {
    /// A number at an offset; 0 where the bytes end before.
    func number<Value: FixedWidthInteger>(at offset: Int = 0, as: Value.Type = Value.self) -> Value {
        count >= offset + MemoryLayout<Value>.size ? loadUnaligned(fromByteOffset: offset, as: Value.self) : 0
    }
    /// A text up to its zero byte.
    var text: String { String(decoding: prefix { $0 != 0 }, as: UTF8.self) }
    /// Words, as far as there are bytes.
    var words: NftWords {
        var words = NftWords(repeating: 0)
        Swift.withUnsafeMutableBytes(of: &words) { target in
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: prefix(Swift.min(count, target.count))))
        }
        return words
    }
}
