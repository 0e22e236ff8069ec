import Glibc
import KubeAPI
import Kernel
import Logging

/// The node's own addresses (design.md, "The node's address").
enum NodeAddress {
    /// The index of lo in every network namespace.
    static let loopback: Int32 = 1

    struct Resolution {
        /// One for each range.
        var addresses: [IPAddress] = []
        /// Of these, the ones that the node has by us: a /32 or /128 on lo.
        var own: [IPAddress] = []
    }

    /// The ranges that this node's kernel can use: IPv6 may be switched off, and then the node does without.
    static func usable(_ ranges: [CIDR], log: Logger) -> [CIDR] {
        guard let range = ranges.first(of: .ipv6) else { return ranges }
        guard let off = settingThatDisablesIPv6() else { return ranges }
        log.warning(
            "pods and services of this node have no IPv6: its kernel does none",
            metadata: ["range": "\(range)", "setting": "\(off)"])
        return ranges.filter { $0.family == .ipv4 }
    }

    /// The kernel setting that switches IPv6 off, or would if there were any; nil where it is on.
    static func settingThatDisablesIPv6() -> String? {
        ["all", "default"].map { "net/ipv6/conf/\($0)/disable_ipv6" }
            .first { KernelFile.readIfPresent("/proc/sys/\($0)") != "0" }
    }

    /// For each range the address that was given, else the source of the default route, else the range's first address,
    /// which then becomes the node's: on lo, noted in `record`.
    static func resolve(given: [IPAddress], podRanges: [CIDR], record: String) throws -> Resolution {
        let links = try Rtnetlink()
        var resolution = Resolution()
        for range in podRanges {
            let known = given.first { $0.family == range.family }
            let source =
                try known
                ?? links.defaultRouteSource(isIPv6: range.family == .ipv6).flatMap {
                    IPAddress(bytes: $0.bytes)
                }
            if let source {
                resolution.addresses.append(source)
                continue
            }
            guard let first = range.nth(1) else {
                throw CommandError(
                    "cannot find an address for the node: there is no default route; give one by --node-ip")
            }
            resolution.addresses.append(first)
            resolution.own.append(first)
        }
        guard resolution.addresses.first?.isIPv4 == true else {
            throw CommandError("cannot find an IPv4 address for the node; give one by --node-ip")
        }
        guard !resolution.own.isEmpty else { return resolution }
        let text = resolution.own.map { "\($0)\n" }.joined()
        try DurableFile.write(Array(text.utf8), to: record, isSynced: false)
        try links.execute { batch in
            for address in resolution.own.compactMap({ InetAddress(bytes: $0.bytes) }) {
                // Global in scope, so that the kernel takes it as a source towards pods.
                batch.addAddress(link: loopback, address, prefixLength: address.bitCount)
            }
        }
        return resolution
    }

    /// Takes away what `resolve` has given to lo.
    static func remove(record: String) throws {
        guard let text = KernelFile.readIfPresent(record) else { return }
        try Rtnetlink().execute { batch in
            for address in text.split(whereSeparator: \.isWhitespace).compactMap({ InetAddress(String($0)) }) {
                batch.deleteAddress(link: loopback, address, prefixLength: address.bitCount)
            }
        }
        unlink(record)
    }
}

/// Keeps the addresses that the node was given on lo: whoever flushes lo takes the source away from all that the node
/// sends to pods and services. They are back as soon as the kernel has told of it.
final class NodeAddressKeeper: Sendable {
    private let loop: EpollLoop
    private let monitor: RtnetlinkMonitor

    init(_ addresses: [InetAddress], log: Logger) throws(KernelError) {
        let links = try Rtnetlink()
        loop = try EpollLoop(name: "node-address")
        monitor = try RtnetlinkMonitor(.addresses, on: loop) { event in
            switch event {
            case .addressRemoved(let gone): guard addresses.contains(gone.address) else { return }
            case .overrun: break
            default: return
            }
            do throws(KernelError) {
                try links.execute { batch in
                    for address in addresses {
                        batch.addAddress(
                            link: NodeAddress.loopback, address, prefixLength: address.bitCount)
                    }
                }
                log.warning(
                    "somebody took the node's address from lo; it is back", metadata: ["ip": "\(addresses)"])
            } catch {
                log.error("cannot give the node its address back", metadata: ["ip": "\(addresses)", "err": "\(error)"])
            }
        }
    }

    deinit {
        monitor.stop()
        loop.stop()
    }
}
