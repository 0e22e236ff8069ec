import Glibc
import KubeAPI
import Kernel
import Logging

/// The node's own address (design.md, "The node's address").
enum NodeAddress {
    /// The index of lo in every network namespace.
    private static let loopback: Int32 = 1

    /// The one that was given, else the source of the default route, else the first address of the pod range, which then
    /// becomes the node's: a /32 on lo, noted in `record`.
    static func resolve(given: String?, podRange: CIDR, record: String) throws -> IPAddress {
        if let given, let address = IPAddress(given) { return address }
        let links = try Rtnetlink()
        if let source = try links.defaultRouteSource(), let address = IPAddress(bytes: source.bytes) { return address }
        guard let first = podRange.nth(1), let address = InetAddress(bytes: first.bytes) else {
            throw CommandError("cannot find an address for the node: there is no default route; give one by --node-ip")
        }
        try DurableFile.write(Array("\(first)\n".utf8), to: record, isSynced: false)
        // Global in scope, so that the kernel takes it as a source towards pods.
        try links.execute { $0.addAddress(link: loopback, address, prefixLength: address.bitCount) }
        return first
    }

    /// Takes away what `resolve` has given to lo.
    static func remove(record: String) throws {
        guard let text = KernelFile.readIfPresent(record), let address = InetAddress(text) else { return }
        try Rtnetlink().execute { $0.deleteAddress(link: loopback, address, prefixLength: address.bitCount) }
        unlink(record)
    }
}

/// Keeps the address that the node was given on lo: whoever flushes lo takes the source away from all that the node
/// sends to pods and services. It is back as soon as the kernel has told of it.
final class NodeAddressKeeper: Sendable {
    private static let loopback: Int32 = 1

    private let loop: EpollLoop
    private let monitor: RtnetlinkMonitor

    init(_ address: InetAddress, log: Logger) throws(KernelError) {
        let links = try Rtnetlink()
        loop = try EpollLoop(name: "node-address")
        monitor = try RtnetlinkMonitor(.addresses, on: loop) { event in
            switch event {
            case .addressRemoved(let gone): guard gone.address == address else { return }
            case .overrun: break
            default: return
            }
            do throws(KernelError) {
                try links.execute {
                    $0.addAddress(link: Self.loopback, address, prefixLength: address.bitCount)
                }
                log.warning("somebody took the node's address from lo; it is back", metadata: ["ip": "\(address)"])
            } catch {
                log.error("cannot give the node its address back", metadata: ["ip": "\(address)", "err": "\(error)"])
            }
        }
    }

    deinit {
        monitor.stop()
        loop.stop()
    }
}
