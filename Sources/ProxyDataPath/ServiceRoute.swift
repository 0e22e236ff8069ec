import Glibc
import Kernel
import KubeAPI
import Logging
import Synchronization

/// The route to the services' range.
///
/// With rules it leads to lo: a packet must have a route before it is translated, and where the node has no default
/// route it would have none. In userspace it makes the whole range local, so that the forwarder can listen there; and so
/// it does for IPv6 with rules, too, whose routes to lo refuse unless they are local. Either way its source is the node's
/// address, which is what endpoints see of the node itself.
final class ServiceRoute: Sendable {
    /// The interface lo has this number everywhere.
    private static let loopback: Int32 = 1

    private let route: Route
    private let other: Route
    private let table: Rtnetlink
    private let monitor: Mutex<RtnetlinkMonitor?> = Mutex(nil)
    private let log: Logger
    private let isMissing = Mutex(false)

    /// In the network namespace of the calling thread.
    init?(_ site: ProxyConfig.Site, tag: String, isLocal: Bool, log: Logger) throws(KernelError) {
        guard let network = InetAddress(bytes: site.serviceCIDR.network.bytes),
            let source = InetAddress(bytes: site.nodeIP.bytes)
        else { return nil }
        let isLocal = isLocal || site.family == .ipv6
        func make(_ kind: Route.Kind) -> Route {
            Route(
                to: network, prefixLength: UInt8(site.serviceCIDR.prefixLength), linkIndex: Self.loopback,
                source: source, kind: kind, priority: Self.priority(tag: tag))
        }
        route = make(isLocal ? .local : .unicast)
        other = make(isLocal ? .unicast : .local)
        table = try Rtnetlink()
        self.log = log
    }

    /// The metric says whose route it is: several of us may share a network namespace, with one protocol number.
    static func priority(tag: String) -> UInt32 {
        0x5300_0000 | tag.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 } & 0xff_ffff
    }

    /// Puts the route there, removes that of the other mode, and keeps it there: it goes with the node's address, and
    /// with somebody's `ip route flush`. `onLoss`: other routes of ours may have gone.
    func keep(on loop: EpollLoop, onLoss: @escaping @Sendable () -> Void) throws(KernelError) {
        let monitor = try RtnetlinkMonitor([.routes, .addresses], on: loop) { [weak self] event in
            switch event {
            case .routeRemoved(let gone):
                guard let self, isOurs(gone) else { return }
                if isThis(gone) { add() } else { onLoss() }
            case .addressChanged, .overrun:
                self?.add()
                onLoss()
            default: break
            }
        }
        self.monitor.withLock { $0 = monitor }
        try? table.execute { $0.deleteRoute(other) }  // missing, as a rule
        add()
    }

    func stop() { monitor.withLock { $0?.stop() } }

    private func isOurs(_ gone: Route) -> Bool {
        gone.protocol == route.protocol && gone.priority == route.priority
    }

    private func isThis(_ gone: Route) -> Bool {
        gone.destination == route.destination && gone.prefixLength == route.prefixLength
    }

    private func add() {
        do throws(KernelError) {
            try table.execute { $0.addRoute(route) }
            if isMissing.withLock({ value in
                defer { value = false }
                return value
            }) {
                log.info("the node reaches services again", metadata: ["route": "\(route.text)"])
            }
        } catch {
            let isNew = isMissing.withLock { value in
                defer { value = true }
                return !value
            }
            // Tried again when an address comes.
            if isNew { log.warning("the node can't reach services", metadata: ["err": "\(error)"]) }
        }
    }

    /// Removes the routes of that tag.
    static func removeAll(tag: String) throws(KernelError) {
        let table = try Rtnetlink()
        let ours = try table.routes(protocol: swiftletRouteProtocol)
            .filter { $0.priority == priority(tag: tag) && $0.linkIndex == loopback }
        guard !ours.isEmpty else { return }
        try table.execute { batch in for route in ours { batch.deleteRoute(route) } }
    }
}
