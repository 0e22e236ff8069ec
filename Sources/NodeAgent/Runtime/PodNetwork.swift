import Glibc
import KubeAPI
import Kernel
import Logging
import Synchronization

/// The network of pods: for each a namespace, joined to the node's by a pair of links, and routed.
///
/// In the pod: `default via 169.254.1.1 dev eth0` with a permanent neighbour entry for the node's side, whose hardware
/// address is always the same (IPv6: `fe80::1`). On the node: one /32 route, and one /128. So nobody asks by ARP or
/// neighbour discovery, and there is no bridge.
final class PodNetwork: Sendable {
    /// The node's side of every pair. The first byte says: locally administered.
    static let nodeHardwareAddress: [UInt8] = [0x02, 0x73, 0x77, 0x6c, 0x00, 0x01]
    private static let gateway = InetAddress(ipv4: 0xa9fe_0101)  // 169.254.1.1
    private static let gateway6 = InetAddress("fe80::1")
    /// Links that carry less have no IPv6 (RFC 8200).
    private static let leastMTU6: UInt32 = 1280

    let tag: String
    private let host: Rtnetlink
    private let log: Logger
    private struct State {
        var pool: AddressPool?
        /// Where pods have their IPv6 addresses; nil where they have none.
        var second: CIDR?
        var mtu: UInt32 = 1500
        /// The link of the default route.
        var uplink: Int32?
        var onMTUChange: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())
    private let sources: NodeSources
    private let monitor: Mutex<RtnetlinkMonitor?> = Mutex(nil)
    private let keeper: PodLinkKeeper

    init(tag: String, nodeIPs: [IPAddress], loop: EpollLoop, log: Logger) throws(KernelError) {
        self.tag = tag
        self.log = log
        host = try Rtnetlink()
        sources = NodeSources(nodeIPs)
        keeper = PodLinkKeeper(tag: tag, host: host, sources: sources, loop: loop, log: log)
        let uplink = try Self.uplink(host)
        state.withLock {
            $0.uplink = uplink?.index
            if let uplink { $0.mtu = uplink.mtu }
        }
        let monitor = try RtnetlinkMonitor([.links, .addresses, .routes], on: loop) { [weak self] event in
            self?.hear(event)
        }
        self.monitor.withLock { $0 = monitor }
    }

    func shutdown() { monitor.withLock { $0?.stop() } }

    private static func uplink(_ host: Rtnetlink) throws(KernelError) -> Link? {
        guard let index = try host.defaultRoute()?.linkIndex else { return nil }
        return try host.links().first { $0.index == index }
    }

    /// The link of the IPv6 default route, where a router's advertisements have made it.
    var ipv6Uplink: String? {
        guard let route = try? host.defaultRoute(isIPv6: true), route.protocol == 9 || route.protocol == 2,
            let index = route.linkIndex
        else { return nil }
        return (try? host.links())?.first { $0.index == index }?.name
    }

    // MARK: changes of the node

    /// Calls back when pods that are made from now on get another MTU. Those that run keep theirs: what they send too
    /// large is answered by the kernel with the size that fits.
    func onMTUChange(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onMTUChange = body } }

    /// Calls back with the address of a pod whose link somebody has deleted.
    func onLinkLost(_ body: @escaping @Sendable (IPAddress) -> Void) { keeper.onLost(body) }

    private func use(uplink: Link) {
        let tell = state.withLock { state in
            let isNew = state.mtu != uplink.mtu
            state.uplink = uplink.index
            state.mtu = uplink.mtu
            return isNew ? state.onMTUChange : nil
        }
        guard let tell else { return }
        log.info("new pods get another MTU", metadata: ["link": "\(uplink.name)", "mtu": "\(uplink.mtu)"])
        tell()
    }

    private func followUplink(_ event: RtnetlinkMonitor.Event) {
        switch event {
        case .linkChanged(let link): if state.withLock({ $0.uplink == link.index }) { use(uplink: link) }
        case .routeAdded(let route) where route.prefixLength == 0 && route.destination.isIPv4 && route.table == 254:
            // Unreadable now: then the next change tells.
            if let link = try? Self.uplink(host) { use(uplink: link) }
        default: break
        }
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

    /// The pod's side of its pair: locally administered, and the address.
    static func hardwareAddress(ofPod address: IPAddress) -> [UInt8] { [0x02, 0x73] + address.bytes.suffix(4) }

    /// All links of one tag have one group, so that they go in one call.
    static func group(tag: String) -> UInt32 {
        0x5300_0000 | tag.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 } & 0xff_ffff
    }

    // MARK: addresses

    var pool: AddressPool? { state.withLock { $0.pool } }

    /// Where pods have their IPv6 addresses.
    var secondRange: CIDR? { state.withLock { $0.second } }

    func use(_ pool: AddressPool, second: CIDR?) {
        state.withLock { state in
            state.pool = pool
            state.second = second
        }
    }

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
        keeper.letGo(address)
        leaving.withLock { _ = $0.insert(address) }
        // It may have gone before anybody listened for it.
        if (try? host.link(named: Self.linkName(tag: tag, address))) == .some(.none) { free(address) }
    }

    private func free(_ address: IPAddress) {
        guard leaving.withLock({ $0.remove(address) }) != nil else { return }
        pool?.giveBack(address)
    }

    private func hear(_ event: RtnetlinkMonitor.Event) {
        keeper.hear(event)
        followUplink(event)
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
    func takeAddresses() throws(RuntimeError) -> PodAddresses {
        let (pool, range, mtu) = state.withLock { ($0.pool, $0.second, $0.mtu) }
        let second = mtu >= Self.leastMTU6 ? range : nil
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
        return PodAddresses(address, pool.range.offset(of: address).flatMap { second?.nth($0) })
    }

    /// Makes a namespace and joins it to the node's. It is gone with its descriptor, if no process has entered it:
    /// nothing is left of one that is half-built when the daemon dies. Blocks for about a millisecond.
    func make(_ addresses: PodAddresses) throws(KernelError) -> NetworkNamespace {
        let namespace = try NetworkNamespace.make()
        try join(namespace, addresses)
        keeper.keep(addresses)
        return namespace
    }

    /// Looks after the links of pods that were found.
    func adopt(_ addresses: [PodAddresses]) { keeper.adopt(addresses) }

    /// Joins a pod to the node again, whose link is gone, by the namespace of one of its processes.
    func rejoin(_ addresses: PodAddresses, pid: Int32) throws(KernelError) {
        try join(try NetworkNamespace.ofProcess(pid), addresses)
    }

    private func join(_ namespace: borrowing NetworkNamespace, _ addresses: PodAddresses) throws(KernelError) {
        let mtu = state.withLock { $0.mtu }
        let name = Self.linkName(tag: tag, addresses.ipv4)
        let podHardwareAddress = Self.hardwareAddress(ofPod: addresses.ipv4)
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
            for address in addresses.inet { Self.addWay(out: address, link: eth0.index, &batch) }
        }
        // Of a pod nobody takes a router's word; that the node forwards makes it so already, until somebody says otherwise.
        if addresses.ipv6 != nil { try Sysctl.write("net/ipv6/conf/\(name)/accept_ra", "0") }
        try host.execute { batch in
            // rp_filter: what a pod sends comes back by another link when a service answers from elsewhere.
            batch.setLink(
                link.index, up: true, name: name, settings: [.rpFilter: 0, .sendRedirects: 0],
                withoutIPv6Addresses: true)
            Self.addWays(to: addresses, link: link.index, sources, &batch)
        }
    }

    /// A pod's address on its side of the pair, and its way out.
    private static func addWay(out address: InetAddress, link: Int32, _ batch: inout RtnetlinkBatch) {
        batch.addAddress(link: link, address, prefixLength: address.bitCount)
        guard let gateway = address.isIPv4 ? gateway : gateway6,
            let all = InetAddress(bytes: [UInt8](repeating: 0, count: address.bytes.count))
        else { return }
        batch.addNeighbour(link: link, gateway, hardwareAddress: nodeHardwareAddress)
        // A link-local gateway is on the link by its nature.
        if address.isIPv4 { batch.addRoute(Route(to: gateway, prefixLength: 32, linkIndex: link, source: address)) }
        batch.addRoute(Route(to: all, prefixLength: 0, linkIndex: link, gateway: gateway, source: address))
    }

    /// The node's ways to a pod by that link.
    static func addWays(
        to addresses: PodAddresses, link: Int32, _ sources: NodeSources, _ batch: inout RtnetlinkBatch
    ) {
        for address in addresses.inet {
            batch.addNeighbour(
                link: link, address, hardwareAddress: hardwareAddress(ofPod: addresses.ipv4))
            batch.addRoute(
                Route(
                    to: address, prefixLength: address.bitCount, linkIndex: link,
                    source: sources.source(for: address)))
        }
    }

    /// What has passed through a pod's link, from the pod's side.
    func traffic(_ address: IPAddress) -> LinkTraffic? {
        // A reading: a link that has just gone has none.
        guard let link = try? host.link(named: Self.linkName(tag: tag, address)) else { return nil }
        return link.traffic.fromTheOtherEnd
    }
}
