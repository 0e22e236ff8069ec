import Glibc
import KubeAPI
import Kernel
import Logging
import Synchronization

/// The network of pods: for each a namespace, joined to the node's by a pair of links, and routed.
///
/// In the pod: `default via 169.254.1.1 dev eth0` with a permanent neighbour entry for the node's side, whose hardware
/// address is always the same. On the node: one /32 route. So nobody asks by ARP, and there is no bridge.
final class PodNetwork: Sendable {
    /// The node's side of every pair. The first byte says: locally administered.
    static let nodeHardwareAddress: [UInt8] = [0x02, 0x73, 0x77, 0x6c, 0x00, 0x01]
    private static let gateway = InetAddress(ipv4: 0xa9fe_0101)  // 169.254.1.1

    let tag: String
    private let host: Rtnetlink
    private let log: Logger
    private struct State {
        var pool: AddressPool?
        var nodeIP: InetAddress?
        var mtu: UInt32 = 1500
    }
    private let state = Mutex(State())
    private let monitor: Mutex<RtnetlinkMonitor?> = Mutex(nil)

    init(tag: String, nodeIP: IPAddress?, loop: EpollLoop, log: Logger) throws(KernelError) {
        self.tag = tag
        self.log = log
        host = try Rtnetlink()
        let mtu = try Self.uplinkMTU(host)
        state.withLock {
            $0.nodeIP = nodeIP.flatMap { InetAddress(bytes: $0.bytes) }
            $0.mtu = mtu
        }
        let monitor = try RtnetlinkMonitor(.links, on: loop) { [weak self] event in self?.hear(event) }
        self.monitor.withLock { $0 = monitor }
    }

    func shutdown() { monitor.withLock { $0?.stop() } }

    private static func uplinkMTU(_ host: Rtnetlink) throws(KernelError) -> UInt32 {
        guard let index = try host.defaultRoute()?.linkIndex else { return 1500 }
        return try host.links().first { $0.index == index }?.mtu ?? 1500
    }

    // MARK: names

    private var prefix: String { "swl" + tag }

    /// `swl<tag><address in hexadecimal>`: as long as a name may be, and never given twice at a time.
    static func linkName(tag: String, _ address: IPAddress) -> String {
        let digits = String(address.ipv4 ?? 0, radix: 16)
        return "swl" + tag + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    static func address(tag: String, ofLink name: String) -> IPAddress? {
        guard name.hasPrefix("swl" + tag), name.utf8.count == 3 + tag.utf8.count + 8,
            let number = UInt32(name.dropFirst(3 + tag.utf8.count), radix: 16)
        else { return nil }
        return IPAddress(ipv4: number)
    }

    /// All links of one tag have one group, so that they go in one call.
    static func group(tag: String) -> UInt32 {
        0x5300_0000 | tag.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 } & 0xff_ffff
    }

    // MARK: addresses

    var pool: AddressPool? { state.withLock { $0.pool } }

    func use(_ pool: AddressPool) { state.withLock { $0.pool = pool } }

    /// The addresses of all links of our tag that are there.
    func linkedAddresses() throws(KernelError) -> [(index: Int32, address: IPAddress)] {
        try host.links().compactMap { link in
            Self.address(tag: tag, ofLink: link.name).map { (link.index, $0) }
        }
    }

    func deleteLinks(_ indices: [Int32]) throws(KernelError) {
        try host.execute { batch in for index in indices { batch.deleteLink(index) } }
    }

    /// The addresses whose links are expected to go: they are free again only when they have.
    private let leaving = Mutex(Set<IPAddress>())

    /// Gives an address back as soon as its link is gone.
    func release(_ address: IPAddress) {
        leaving.withLock { _ = $0.insert(address) }
        // It may have gone before anybody listened for it.
        if (try? host.link(named: Self.linkName(tag: tag, address))) == .some(.none) { free(address) }
    }

    private func free(_ address: IPAddress) {
        guard leaving.withLock({ $0.remove(address) }) != nil else { return }
        pool?.giveBack(address)
    }

    private func hear(_ event: RtnetlinkMonitor.Event) {
        switch event {
        case .linkRemoved(let link):
            if let address = Self.address(tag: tag, ofLink: link.name) { free(address) }
        case .overrun:
            // One dump answers all that was lost.
            guard let linked = try? linkedAddresses() else { return }
            let present = Set(linked.map(\.address))
            for address in leaving.withLock({ $0 }) where !present.contains(address) { free(address) }
        default: break
        }
    }

    // MARK: building

    /// Takes an address, which is given back by `release`.
    func takeAddress() throws(RuntimeError) -> IPAddress {
        guard let pool else { throw RuntimeError(.noAddressLeft, "node has no pod range yet") }
        let address: IPAddress?
        do throws(KernelError) {
            address = try pool.take()
        } catch {
            throw RuntimeError(.system, "cannot take a pod address", cause: error)
        }
        guard let address else {
            throw RuntimeError(.noAddressLeft, "all addresses of \(pool.range) are in use")
        }
        return address
    }

    /// Makes a namespace and joins it to the node's. It is gone with its descriptor, if no process has entered it:
    /// nothing is left of one that is half-built when the daemon dies. Blocks for about a millisecond.
    func make(_ address: IPAddress) throws(KernelError) -> NetworkNamespace {
        let (nodeIP, mtu) = state.withLock { ($0.nodeIP, $0.mtu) }
        let namespace = try NetworkNamespace.make()
        try join(namespace, address, nodeIP: nodeIP, mtu: mtu)
        return namespace
    }

    private func join(
        _ namespace: borrowing NetworkNamespace, _ address: IPAddress, nodeIP: InetAddress?, mtu: UInt32
    ) throws(KernelError) {
        guard let number = address.ipv4, let inet = InetAddress(bytes: address.bytes) else {
            throw KernelError("use", "address \(address)", code: EAFNOSUPPORT)
        }
        let name = Self.linkName(tag: tag, address)
        let podHardwareAddress: [UInt8] =
            [0x02, 0x73] + (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32($0))) }
        try host.execute { batch in
            batch.addVeth(
                .init(name: name, hardwareAddress: Self.nodeHardwareAddress),
                peer: .init(name: "eth0", hardwareAddress: podHardwareAddress),
                peerNamespace: namespace.descriptor.raw, mtu: mtu, group: Self.group(tag: tag))
        }
        guard let link = try host.link(named: name) else { throw KernelError("find link", name, code: ENODEV) }

        let pod = try Rtnetlink(in: namespace)
        guard let eth0 = try pod.link(named: "eth0") else { throw KernelError("find link", "eth0", code: ENODEV) }
        try pod.execute { batch in
            batch.setLink(1, up: true, name: "lo")
            batch.setLink(eth0.index, up: true, name: "eth0", withoutIPv6Addresses: true)
            batch.addAddress(link: eth0.index, inet, prefixLength: 32)
            batch.addNeighbour(link: eth0.index, Self.gateway, hardwareAddress: Self.nodeHardwareAddress)
            batch.addRoute(Route(to: Self.gateway, prefixLength: 32, linkIndex: eth0.index, source: inet))
            batch.addRoute(
                Route(
                    to: InetAddress(ipv4: 0), prefixLength: 0, linkIndex: eth0.index, gateway: Self.gateway,
                    source: inet))
        }
        try host.execute { batch in
            // rp_filter: what a pod sends comes back by another link when a service answers from elsewhere.
            batch.setLink(
                link.index, up: true, name: name, settings: [.rpFilter: 0, .sendRedirects: 0],
                withoutIPv6Addresses: true)
            batch.addNeighbour(link: link.index, inet, hardwareAddress: podHardwareAddress)
            batch.addRoute(Route(to: inet, prefixLength: 32, linkIndex: link.index, source: nodeIP))
        }
    }

    /// Bytes through a pod's link, from the pod's side.
    func traffic(_ address: IPAddress) -> (received: UInt64, sent: UInt64)? {
        // A reading: a link that has just gone has none.
        guard let link = try? host.link(named: Self.linkName(tag: tag, address)) else { return nil }
        return (link.sentBytes, link.receivedBytes)
    }
}
