import Glibc
import KubeAPI
import Kernel

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
