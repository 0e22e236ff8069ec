import Glibc
import KubeAPI
import Kernel
import Synchronization

/// The addresses of the node's pod range: which are given, on disk as one bit each.
///
/// Addresses are given in turn, so that one comes back as late as possible, and are taken back only when the kernel has
/// removed the link that had it. The file is written through to the kernel at once, not to the disk: it has to survive
/// this process, and after a reboot no pod has an address any more.
final class AddressPool: Sendable {
    /// A larger range than a node can use (a million addresses) is cut.
    static let limit = 1 << 20
    private static let headerBytes = 128
    private static let format = "swiftlet-addresses 1"

    let range: CIDR
    private struct State {
        var bits: [UInt8]
        var next: Int
    }
    private let count: Int
    private let file: FileDescriptor
    /// Offsets that are never given.
    private let kept: [Int]
    private let state: Mutex<State>

    /// Opens the file, or makes it anew where it is of another range or damaged. `reserved` are never given, nor are the
    /// first two addresses (the network's, and the one that a node without any other takes) and the last.
    init(range: CIDR, reserved: [IPAddress], path: String) throws(KernelError) {
        guard range.family == .ipv4 else {
            throw KernelError("give addresses of", range.description, code: EAFNOSUPPORT)
        }
        self.range = range
        count = min(range.count, Self.limit)
        file = try FileDescriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        let size = (count + 7) / 8
        var bits = [UInt8](repeating: 0, count: size)
        var next = 2
        let stored = try file.read(upTo: Self.headerBytes + size)
        let header = String(decoding: stored.prefix(Self.headerBytes).prefix { $0 != 0 }, as: UTF8.self)
        let fields = header.split(separator: " ")
        if stored.count == Self.headerBytes + size, fields.count == 4, header.hasPrefix(Self.format + " "),
            fields[2] == range.description[...], let position = Int(fields[3])
        {
            bits = Array(stored.dropFirst(Self.headerBytes))
            next = position
        }
        let count = count
        let edges = count > 4 ? [0, 1, range.count - 1] : []
        kept = (edges + reserved.compactMap { range.offset(of: $0) }).filter { $0 < count }
        for offset in kept { bits[offset / 8] |= 1 << UInt8(offset % 8) }
        state = Mutex(State(bits: bits, next: next < count ? next : 0))
        ftruncate(file.raw, 0)
        try state.withLock { state throws(KernelError) in try writeAll(state) }
    }

    private func writeAll(_ state: State) throws(KernelError) {
        try write(header(state.next) + state.bits, at: 0)
    }

    private func header(_ next: Int) -> [UInt8] {
        let text = Array("\(Self.format) \(range) \(next)".utf8)
        return text + [UInt8](repeating: 0, count: max(0, Self.headerBytes - text.count))
    }

    private func write(_ bytes: [UInt8], at offset: Int) throws(KernelError) {
        let raw = file.raw
        let written = bytes.withUnsafeBytes { pwrite(raw, $0.baseAddress, bytes.count, off_t(offset)) }
        guard written == bytes.count else {
            throw KernelError("write", "address file", code: written < 0 ? errno : ENOSPC)
        }
    }

    /// The next free address; nil where all are given.
    func take() throws(KernelError) -> IPAddress? {
        try state.withLock { state throws(KernelError) -> IPAddress? in
            for step in 0..<count {
                let offset = (state.next + step) % count
                guard state.bits[offset / 8] >> UInt8(offset % 8) & 1 == 0 else { continue }
                state.bits[offset / 8] |= 1 << UInt8(offset % 8)
                state.next = (offset + 1) % count
                try write([state.bits[offset / 8]], at: Self.headerBytes + offset / 8)
                try write(header(state.next), at: 0)
                return range.nth(offset)
            }
            return nil
        }
    }

    /// Takes an address back.
    func giveBack(_ address: IPAddress) {
        guard let offset = range.offset(of: address), offset < count, !kept.contains(offset) else { return }
        state.withLock { state in
            state.bits[offset / 8] &= ~(1 << UInt8(offset % 8))
            // A bit that stays set on disk costs one address until the next start.
            try? write([state.bits[offset / 8]], at: Self.headerBytes + offset / 8)
        }
    }

    /// Sets what is given; all else is free but what is reserved. At start, when pods and links have been counted.
    func reset(to used: [IPAddress]) throws(KernelError) {
        try state.withLock { state throws(KernelError) in
            state.bits = [UInt8](repeating: 0, count: state.bits.count)
            for address in used {
                if let offset = range.offset(of: address), offset < count {
                    state.bits[offset / 8] |= 1 << UInt8(offset % 8)
                }
            }
            for offset in kept { state.bits[offset / 8] |= 1 << UInt8(offset % 8) }
            try writeAll(state)
        }
    }

    /// How many are left.
    var freeCount: Int { count - usedCount }

    /// How many are given, the reserved ones included.
    var usedCount: Int { state.withLock { $0.bits.reduce(0) { $0 + $1.nonzeroBitCount } } }
}
