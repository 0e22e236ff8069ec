import Glibc
import Kernel
import KubeAPI
import Logging
import Synchronization

/// Carries services without nf_tables: listens on every virtual address and port, and forwards by threads of its own.
///
/// A service without endpoints has no listener: the kernel refuses for it, as the address is local. Endpoints see the
/// node's address. Established TCP connections live on when their endpoint leaves the service; UDP flows end.
///
/// The price of local addresses: whatever listens on the node's wildcard address answers on every service address, too,
/// and has its port there before us.
final class Forwarder: ServiceCarrier {
    /// An address and port of one protocol, at which it is listened.
    private struct Spot: Hashable, CustomStringConvertible {
        let address: SocketAddress
        let proto: TransportProtocol
        var description: String { "\(address.text)/\(proto.text)" }
    }
    private struct Port {
        var state: ServicePortState
        /// Where it is to be listened.
        var spots: [Spot: Audience] = [:]
        /// By kind of client, where the port has endpoints for it.
        var pools: [ClientKind: Int32] = [:]
        /// Its clients' endpoints are remembered under this number, where there is affinity.
        let number: Int32
    }
    private struct Listener {
        let id: Int32
        let owner: ServicePortName
        var audience: Audience
    }
    private struct State {
        var ports: [ServicePortName: Port] = [:]
        var namesOfService: [String: [ServicePortName]] = [:]
        var listeners: [Spot: Listener] = [:]
        var portNumbers = NumberStock()
        var listenerNumbers = NumberStock()
        var poolNumbers = PoolNumbers()
        /// What could not be opened: tried again with every change.
        var missing: [Spot: Set<ServicePortName>] = [:]
        /// Where node ports are served.
        var nodePortAddresses: [IPAddress] = []
        var hasNewAddresses = false
        /// Services are reached at other addresses than before.
        var hasNewFronts = false
        /// Somebody may have removed routes of ours.
        var hasLostRoutes = false
        var told: Set<String> = []
        var problems: [String] = []
    }
    private struct LoopHandle {
        let mailbox: ForwarderMailbox
        let counters: ForwarderCounters
    }

    private let loops: [LoopHandle]
    private let shared: ForwarderShared
    /// Nil where addresses come here by themselves.
    private let routes: ForwarderRoutes?
    /// The node's own addresses, one of each family at most: host ports are always served there.
    private let ownAddresses: [IPAddress]
    private let state = Mutex(State())

    /// Opens sockets in the network namespace of the calling thread, on which `apply` must be called later, too.
    /// - Parameter nodeAddress: where node and host ports are served, unless `setNodePortAddresses` says otherwise.
    /// - Parameter clusterRanges: where clients are pods of the cluster.
    init(
        nodeAddress: IPAddress, second: IPAddress? = nil, clusterRanges: [CIDR] = [], routes: ForwarderRoutes? = nil,
        limits: ForwarderLimits = .standard(), log: Logger
    ) throws(KernelError) {
        let addresses = [nodeAddress] + [second].compactMap(\.self)
        ownAddresses = addresses
        self.routes = routes
        state.withLock { $0.nodePortAddresses = addresses }
        let own = addresses.compactMap { CIDR($0, prefixLength: $0.family.bitCount) }
        shared = ForwarderShared(limits: limits, clusterRanges: clusterRanges + own) {
            reason, count in
            switch reason {
            case .limit:
                log.warning(
                    "connections are refused: the bound on connections is reached",
                    metadata: ["count": "\(count)", "limit": "\(limits.connections)"])
            case .unreachable:
                log.warning(
                    "connections are refused: no endpoint of their service answers", metadata: ["count": "\(count)"])
            }
        }
        var loops: [LoopHandle] = []
        for index in 0..<limits.loops {
            let handle = LoopHandle(mailbox: try ForwarderMailbox(), counters: ForwarderCounters())
            // Made here so that its failure is ours to tell; used by its thread alone from then on.
            let loop = Handover(
                ForwarderLoop(
                    epoll: try ForwarderLoop.makeEpoll(for: handle.mailbox), mailbox: handle.mailbox, shared: shared,
                    counters: handle.counters))
            try KernelThread.start(name: "swl-forward-\(index)") { loop.run() }
            loops.append(handle)
        }
        self.loops = loops
    }

    /// Hands a loop over to the one thread that runs it.
    private final class Handover: @unchecked Sendable {
        // Safe: the maker gives it away, and the thread takes it out once.
        private var loop: ForwarderLoop?
        init(_ loop: consuming ForwarderLoop) { self.loop = consume loop }
        func run() { if var loop = loop.take() { loop.run() } }
    }

    /// What has been done, by all loops together.
    var counts: ForwarderCounts { loops.reduce(ForwarderCounts()) { $0 + $1.counters.counts } }
    var limits: ForwarderLimits { shared.limits }

    // MARK: changes

    func start(_ changes: [ServiceChange]) throws(KernelError) {
        try routes?.inherit()
        try apply(changes)
    }

    func apply(_ changes: [ServiceChange]) throws(KernelError) {
        state.withLock { state in
            var commands: [ForwarderLoop.Command] = []
            for change in changes { apply(change, &state, &commands) }
            if state.hasNewAddresses {
                state.hasNewAddresses = false
                let moved = state.ports.values.filter { $0.state.fronts.contains(where: \.isOnNode) }
                for port in moved { set(port.state, &state, &commands) }
            }
            let closes = commands.contains { if case .close = $0 { true } else { false } }
            for loop in loops { loop.mailbox.post(commands) }
            // An address is free for its next owner only when the loops have let it go.
            if closes { for loop in loops { loop.mailbox.wait() } }
            openListeners(&state)
            if state.hasNewFronts { setRoutes(&state) }
        }
    }

    /// The addresses of the node on which node ports are answered; the next change carries it out.
    func setNodePortAddresses(_ addresses: [IPAddress]) {
        state.withLock { state in
            guard state.nodePortAddresses != addresses else { return }
            state.nodePortAddresses = addresses
            state.hasNewAddresses = true
        }
    }

    func programmed(_ service: String?) -> [ProgrammedService] {
        state.withLock { state in
            state.ports.values.map(\.state).filter { service == nil || $0.name.service == service }.map { port in
                ProgrammedService(
                    name: port.name, fronts: port.fronts, backends: port.backends, localBackends: port.localBackends,
                    localAddresses: port.localAddresses, affinitySeconds: port.affinitySeconds, ids: [])
            }
        }
    }

    func takeProblems() -> [String] {
        state.withLock { state in
            defer { state.problems = [] }
            return state.problems
        }
    }

    func distrust() {
        state.withLock { state in
            state.hasLostRoutes = true
            state.hasNewFronts = true
        }
    }

    /// TCP connections to endpoints at these addresses that neither side has begun to close.
    func openConnections(to addresses: [IPAddress]) -> Int {
        let count = ConnectionCount(of: addresses)
        // Under the lock: a change waits for the loops, too, and one answer must not be taken for the other.
        state.withLock { _ in
            for loop in loops { loop.mailbox.post([.count(count)]) }
            for loop in loops { loop.mailbox.wait() }
        }
        return count.value
    }

    /// Ports that somebody else has.
    var wantsRetry: Bool { state.withLock { !$0.missing.isEmpty || $0.hasNewFronts } }

    /// Ends all connections and closes all listeners, before it returns.
    func stop() {
        for loop in loops { loop.mailbox.post([.stop]) }
        for loop in loops { loop.mailbox.wait() }
    }

    private func apply(_ change: ServiceChange, _ state: inout State, _ commands: inout [ForwarderLoop.Command]) {
        let names = change.ports.map(\.name)
        for name in state.namesOfService[change.service] ?? [] where !names.contains(name) {
            guard let port = state.ports.removeValue(forKey: name) else { continue }
            state.hasNewFronts = true
            close(port.spots.keys, of: name, &state, &commands)
            for pool in port.pools.values {
                commands.append(.removePool(pool))
                state.poolNumbers.give(pool)
            }
            shared.affinity.remove(service: port.number)
            state.portNumbers.give(port.number)
        }
        state.namesOfService[change.service] = names.isEmpty ? nil : names
        for wanted in change.ports { set(wanted, &state, &commands) }
    }

    private func set(_ wanted: ServicePortState, _ state: inout State, _ commands: inout [ForwarderLoop.Command]) {
        let name = wanted.name
        var port = state.ports[name] ?? Port(state: wanted, number: state.portNumbers.take())
        let before = port.spots.keys
        if state.ports[name]?.state.fronts != wanted.fronts { state.hasNewFronts = true }
        port.state = wanted
        setPools(&port, &state, &commands)
        port.spots = spots(of: port, &state)
        close(before.filter { port.spots[$0] == nil }, of: name, &state, &commands)
        for (spot, audience) in port.spots {
            guard let listener = state.listeners[spot], listener.owner == name else {
                state.missing[spot, default: []].insert(name)
                continue
            }
            guard listener.audience != audience else { continue }
            state.listeners[spot]?.audience = audience
            commands.append(.update(listener: Int(listener.id), audience: audience))
        }
        state.ports[name] = port
    }

    /// Tells the endpoints for each kind of clients that come.
    private func setPools(_ port: inout Port, _ state: inout State, _ commands: inout [ForwarderLoop.Command]) {
        var wanted: Set<ClientKind> = []
        for front in port.state.fronts {
            let kinds = port.state.kinds(at: front)
            wanted.insert(kinds.all)
            if let cluster = kinds.cluster { wanted.insert(cluster) }
        }
        for kind in ClientKind.allCases {
            let backends = wanted.contains(kind) ? port.state.backends(for: kind) : []
            guard !backends.isEmpty else {
                guard let pool = port.pools.removeValue(forKey: kind) else { continue }
                commands.append(.removePool(pool))
                state.poolNumbers.give(pool)
                continue
            }
            guard let pool = port.pools[kind] ?? state.poolNumbers.take() else {
                tell("\(port.state.name): more service ports than can be forwarded", &state)
                continue
            }
            port.pools[kind] = pool
            commands.append(
                .setPool(
                    pool, backends: backends.map { SocketAddress($0.address, $0.port) },
                    affinitySeconds: Int32(clamping: port.state.affinitySeconds ?? 0), affinityKey: port.number))
        }
    }

    /// Where it is listened for a port, and for whom: nowhere without endpoints, so that clients are refused at once.
    private func spots(of port: Port, _ state: inout State) -> [Spot: Audience] {
        var spots: [Spot: Audience] = [:]
        for front in port.state.fronts {
            guard front.proto != .sctp else {
                tell("\(port.state.name): SCTP can't be forwarded in userspace", &state)
                continue
            }
            let kinds = port.state.kinds(at: front)
            let all = port.pools[kinds.all] ?? -1
            let cluster = kinds.cluster.map { port.pools[$0] ?? -1 } ?? -1
            guard all >= 0 || cluster >= 0 else { continue }
            let audience = Audience(pool: all, clusterPool: cluster, sources: front.sources)
            for address in addresses(of: front.place, port.state.name.family, state) {
                spots[Spot(address: address, proto: front.proto)] = audience
            }
        }
        return spots
    }

    /// Node and host ports are on the node's own addresses: a wildcard would be every service's.
    private func addresses(
        of place: Front.Place, _ family: IPAddress.Family, _ state: State
    ) -> [SocketAddress] {
        let nodePorts = state.nodePortAddresses.filter { $0.family == family }
        switch place {
        case .address(let address, let port): return [SocketAddress(address, port)]
        case .nodePort(let port): return nodePorts.map { SocketAddress($0, port) }
        case .hostPort(let port):
            let own = ownAddresses.filter { $0.family == family }
            return (own + nodePorts.filter { !own.contains($0) }).map { SocketAddress($0, port) }
        }
    }

    private func close(
        _ spots: some Sequence<Spot>, of name: ServicePortName, _ state: inout State,
        _ commands: inout [ForwarderLoop.Command]
    ) {
        for spot in spots {
            state.missing[spot]?.remove(name)
            if state.missing[spot]?.isEmpty == true { state.missing[spot] = nil }
            guard let listener = state.listeners[spot], listener.owner == name else { continue }
            commands.append(.close(listener: Int(listener.id)))
            state.listeners[spot] = nil
            state.listenerNumbers.give(listener.id)
        }
    }

    // MARK: listeners

    /// Opens what is missing, as far as it can be.
    private func openListeners(_ state: inout State) {
        guard !state.missing.isEmpty else { return }
        var commands = [[ForwarderLoop.Command]](repeating: [], count: loops.count)
        for (spot, names) in state.missing {
            guard let name = names.min(), let audience = state.ports[name]?.spots[spot] else { continue }
            if let owner = state.listeners[spot]?.owner {
                tell("\(name): \(spot) belongs to \(owner)", &state)
                continue
            }
            do throws(KernelError) {
                try open(spot, name, audience, &state, &commands)
                state.missing[spot]?.remove(name)
                if state.missing[spot]?.isEmpty == true { state.missing[spot] = nil }
            } catch {
                tell("\(name): \(error)", &state)
            }
        }
        for (loop, commands) in zip(loops, commands) { loop.mailbox.post(commands) }
    }

    private func open(
        _ spot: Spot, _ name: ServicePortName, _ audience: Audience, _ state: inout State,
        _ commands: inout [[ForwarderLoop.Command]]
    ) throws(KernelError) {
        let isStream = spot.proto == .tcp
        // One socket for each loop, as long as listeners leave most descriptors to connections.
        let isTight = shared.budget.freeDescriptors < shared.limits.descriptors * 2 / 3
        let id = state.listenerNumbers.take()
        let chosen = isTight ? Int(id) % loops.count : nil
        var sockets: [(loop: Int, socket: Int32)] = []
        do throws(KernelError) {
            for index in loops.indices where chosen == nil || chosen == index {
                guard shared.budget.take(1) else {
                    throw KernelError("listen on", "\(spot): all descriptors are used", code: EMFILE)
                }
                do throws(KernelError) {
                    let type = isStream ? SocketCalls.streamType : SocketCalls.datagramType
                    sockets.append((index, try SocketCalls.listen(spot.address, type).release()))
                } catch {
                    shared.budget.give(1)
                    throw error
                }
            }
        } catch {
            for (_, socket) in sockets {
                Glibc.close(socket)
                shared.budget.give(1)
            }
            state.listenerNumbers.give(id)
            throw error
        }
        for (loop, socket) in sockets {
            commands[loop].append(.open(listener: Int(id), socket: socket, isStream: isStream, audience: audience))
        }
        state.listeners[spot] = Listener(id: id, owner: name, audience: audience)
    }

    /// Also for services without endpoints: packets to them are refused here, instead of going elsewhere.
    private func setRoutes(_ state: inout State) {
        state.hasNewFronts = false
        guard let routes else { return }
        if state.hasLostRoutes {
            do throws(KernelError) {
                try routes.inherit()
                state.hasLostRoutes = false
            } catch {
                state.hasNewFronts = true
                return tell("\(error)", &state)
            }
        }
        var addresses: Set<IPAddress> = []
        for port in state.ports.values {
            for case .address(let address, _) in port.state.fronts.map(\.place) { addresses.insert(address) }
        }
        let problems = routes.set(addresses)
        state.hasNewFronts = !problems.isEmpty
        for problem in problems { tell(problem, &state) }
    }

    /// Once for each problem.
    private func tell(_ problem: String, _ state: inout State) {
        if state.told.count > 10_000 { state.told = [] }
        if state.told.insert(problem).inserted { state.problems.append(problem) }
    }
}

extension Front {
    /// It is at addresses of the node.
    fileprivate var isOnNode: Bool {
        switch place {
        case .address: false
        case .nodePort, .hostPort: true
        }
    }
}
