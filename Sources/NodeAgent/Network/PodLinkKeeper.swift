import KubeAPI
import Kernel
import Logging
import Synchronization

/// Keeps the node's side of pods' networks as it was made: a link that is up, its neighbour entry, its route.
///
/// Others take such things away: systemd-networkd drops routes that it did not make when it restarts, people flush tables.
/// The kernel tells at once, and what is missing is put back a moment later. Nothing is looked at otherwise.
final class PodLinkKeeper: Sendable {
    /// From the first loss that is heard to the look at all of them: losses come in swarms, and most are of pods that go.
    static let patience = Duration.milliseconds(100)
    /// Somebody who takes away again and again what we put back is not answered faster than this.
    static let pause = Duration.milliseconds(500)
    /// Of a fight, a warning is written so often.
    private static let warningPeriod = Duration.seconds(60)

    private let tag: String
    private let host: Rtnetlink
    private let loop: EpollLoop
    private let log: Logger
    private struct State {
        /// By the address that names the link.
        var kept: [IPAddress: PodAddresses] = [:]
        /// Whose IPv6 address that is.
        var owners: [IPAddress: IPAddress] = [:]
        var isCheckPlanned = false
        var lastRepair: ContinuousClock.Instant?
        var lastWarning: ContinuousClock.Instant?
        var onLost: (@Sendable (IPAddress) -> Void)?
    }
    private let sources: NodeSources
    private let state = Mutex(State())

    /// - Parameter sources: what the node itself sends from to pods.
    init(tag: String, host: Rtnetlink, sources: NodeSources, loop: EpollLoop, log: Logger) {
        self.sources = sources
        self.tag = tag
        self.host = host
        self.loop = loop
        self.log = log
    }

    /// Calls back where a link itself is gone, which can't be mended here.
    func onLost(_ body: @escaping @Sendable (IPAddress) -> Void) { state.withLock { $0.onLost = body } }

    /// What this pod's link needs is looked after from now on.
    func keep(_ addresses: PodAddresses) {
        state.withLock { state in
            state.kept[addresses.ipv4] = addresses
            if let second = addresses.ipv6 { state.owners[second] = addresses.ipv4 }
        }
    }

    /// Looks after all of these, and begins with a look at them: much may have gone while no daemon ran.
    func adopt(_ addresses: [PodAddresses]) {
        for pod in addresses { keep(pod) }
        planCheck()
    }

    /// The pod of that address goes.
    func letGo(_ address: IPAddress) {
        state.withLock { state in
            if let second = state.kept.removeValue(forKey: address)?.ipv6 { state.owners[second] = nil }
        }
    }

    private func isKept(_ address: IPAddress?) -> Bool {
        guard let address else { return false }
        return state.withLock { $0.kept[address] != nil || $0.owners[address] != nil }
    }

    /// On the loop's thread.
    func hear(_ event: RtnetlinkMonitor.Event) {
        let isLoss =
            switch event {
            case .routeRemoved(let route): isKept(Self.pod(of: route))
            // In the place of ours, with another protocol.
            case .routeAdded(let route):
                route.protocol != swiftletRouteProtocol && isKept(Self.pod(of: route))
            case .linkRemoved(let link): isKept(PodNetwork.address(tag: tag, ofLink: link.name))
            // The kernel drops its routes without a word about each.
            case .linkChanged(let link): !link.isUp && isKept(PodNetwork.address(tag: tag, ofLink: link.name))
            case .overrun: true
            // Routes went with the node's address, and could not come back without it.
            case .addressChanged(let address): sources.contains(address.address)
            case .addressRemoved: false
            }
        if isLoss { planCheck() }
    }

    private static func pod(of route: Route) -> IPAddress? {
        guard route.prefixLength == route.destination.bitCount, route.table == 254 else { return nil }
        return IPAddress(bytes: route.destination.bytes)
    }

    private func planCheck() {
        let delay: Duration? = state.withLock { state in
            guard !state.isCheckPlanned else { return nil }
            state.isCheckPlanned = true
            let isFight = state.lastRepair.map { ContinuousClock.now - $0 < Self.pause } ?? false
            return isFight ? Self.pause : Self.patience
        }
        guard let delay else { return }
        loop.after(delay) { [weak self] in self?.check() }
    }

    // MARK: mending

    /// One dump of links and routes, and what is missing in one batch.
    private func check() {
        let kept = state.withLock { state in
            state.isCheckPlanned = false
            return Array(state.kept.values)
        }
        guard !kept.isEmpty else { return }
        do throws(KernelError) {
            let plan = Self.plan(
                tag: tag, kept: kept, sources: sources, links: try host.links(),
                routes: try host.routes(protocol: swiftletRouteProtocol))
            // A pod that went while we looked is no loss.
            for address in plan.lost where isKept(address) { state.withLock { $0.onLost }?(address) }
            guard !plan.batch.isEmpty else { return }
            try host.execute(plan.batch)
            tell(plan.mended)
        } catch {
            // A link that has gone in between is heard of, and answered by another look.
            log.warning("cannot mend the network of pods", metadata: ["err": "\(error)"])
        }
    }

    private func tell(_ mended: [IPAddress]) {
        let now = ContinuousClock.now
        let isNews = state.withLock { state in
            state.lastRepair = now
            if let last = state.lastWarning, now - last < Self.warningPeriod { return false }
            state.lastWarning = now
            return true
        }
        log.log(
            level: isNews ? .warning : .debug, "somebody took links or routes of pods away; they are back",
            metadata: ["pods": "\(mended.count)", "first": "\(mended.first.map(\.description) ?? "")"])
    }

    /// What is missing of what is kept.
    struct Plan {
        var batch = RtnetlinkBatch()
        var mended: [IPAddress] = []
        /// Those that have no link at all.
        var lost: [IPAddress] = []
    }

    static func plan(tag: String, kept: [PodAddresses], sources: NodeSources, links: [Link], routes: [Route]) -> Plan {
        var byAddress: [IPAddress: Link] = [:]
        for link in links {
            if let address = PodNetwork.address(tag: tag, ofLink: link.name) { byAddress[address] = link }
        }
        var routed: [IPAddress: Int32] = [:]
        for route in routes { if let address = pod(of: route) { routed[address] = route.linkIndex } }
        var plan = Plan()
        for pod in kept.sorted(by: { $0.ipv4 < $1.ipv4 }) {
            guard let link = byAddress[pod.ipv4] else {
                plan.lost.append(pod.ipv4)
                continue
            }
            if link.isUp, [pod.ipv4, pod.ipv6].allSatisfy({ $0.map { routed[$0] == link.index } ?? true }) { continue }
            if !link.isUp { plan.batch.setLink(link.index, up: true, name: link.name) }
            PodNetwork.addWays(to: pod, link: link.index, sources, &plan.batch)
            plan.mended.append(pod.ipv4)
        }
        return plan
    }
}
