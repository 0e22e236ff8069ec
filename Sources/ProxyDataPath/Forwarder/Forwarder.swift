import Glibc
import Kernel
import KubeAPI
import Logging
import Synchronization

/// Carries services without nf_tables: listens on every virtual address and port, and forwards by a thread of its own.
///
/// A service without endpoints has no listener: the kernel refuses for it, as the address is local. Endpoints see the
/// node's address. Established TCP connections live on when their endpoint leaves the service; UDP sessions end.
///
/// The price of local addresses: whatever listens on the node's wildcard address answers on every service address, too,
/// and has its port there before us.
final class Forwarder: ServiceCarrier {
    private struct Port {
        let id: Int
        var state: ServicePortState

        /// Where it is listened for it: nowhere without backends, so that clients are refused at once.
        var openFronts: [Front.Key] { state.backends.isEmpty ? [] : state.fronts.filter(\.isIPv4).map(\.key) }
    }
    private struct State {
        var ports: [ServicePortName: Port] = [:]
        var namesOfService: [String: [ServicePortName]] = [:]
        var listeners: [Front.Key: (id: Int, owner: ServicePortName)] = [:]
        var nextID = 1
        /// Fronts that could not be opened: tried again with every change.
        var missing: [Front.Key: Set<ServicePortName>] = [:]
        var told: Set<String> = []
        var problems: [String] = []
    }

    private let mailbox: ForwarderMailbox
    private let nodeAddress: IPAddress
    private let log: Logger
    private let state = Mutex(State())

    /// Opens sockets in the network namespace of the calling thread, on which `apply` must be called later, too.
    init(nodeAddress: IPAddress, log: Logger) throws(KernelError) {
        self.nodeAddress = nodeAddress
        self.log = log
        let mailbox = try ForwarderMailbox()
        self.mailbox = mailbox
        let limit = Self.descriptorLimit
        // Made here so that its failure is ours to tell; used by its thread alone from then on.
        let loop = Handover(try ForwarderLoop(mailbox: mailbox, descriptorLimit: limit))
        try KernelThread.start(name: "swl-forward") { loop.value.run() }
    }

    /// Hands an object over to the one thread that uses it.
    private struct Handover<Value>: @unchecked Sendable {
        // Safe: the maker gives it away.
        let value: Value
        init(_ value: Value) { self.value = value }
    }

    /// What RLIMIT_NOFILE leaves to us: the rest of the daemon needs some, too.
    private static var descriptorLimit: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 512 }
        let all = Int(clamping: limit.rlim_cur)
        return max(64, all - max(512, all / 16))
    }

    // MARK: changes

    func start(_ changes: [ServiceChange]) throws(KernelError) { try apply(changes) }

    func apply(_ changes: [ServiceChange]) throws(KernelError) {
        state.withLock { state in
            var commands: [ForwarderLoop.Command] = []
            for change in changes { apply(change, &state, &commands) }
            let closes = commands.contains { if case .close = $0 { true } else { false } }
            mailbox.post(commands)
            // An address is free for its next owner only when the loop has let it go.
            if closes { mailbox.wait() }
            mailbox.post(openListeners(&state))
        }
    }

    func takeProblems() -> [String] {
        state.withLock { state in
            defer { state.problems = [] }
            return state.problems
        }
    }

    /// Ports that somebody else has.
    var wantsRetry: Bool { state.withLock { state in state.missing.keys.contains { $0.proto != .sctp } } }

    func stop() { mailbox.post([.stop]) }

    private func apply(_ change: ServiceChange, _ state: inout State, _ commands: inout [ForwarderLoop.Command]) {
        let names = change.ports.map(\.name)
        for name in state.namesOfService[change.service] ?? [] where !names.contains(name) {
            guard let port = state.ports.removeValue(forKey: name) else { continue }
            close(port.state.fronts.map(\.key), of: name, &state, &commands)
            commands.append(.removeService(port.id))
        }
        state.namesOfService[change.service] = names.isEmpty ? nil : names
        for wanted in change.ports {
            let id = state.ports[wanted.name]?.id ?? state.nextID
            if state.ports[wanted.name] == nil { state.nextID += 1 }
            let old = state.ports.updateValue(Port(id: id, state: wanted), forKey: wanted.name)
            commands.append(
                .setService(
                    id, backends: wanted.backends.compactMap { SocketAddress($0.address, $0.port) },
                    affinitySeconds: wanted.affinitySeconds))
            let before = old.map(\.openFronts) ?? []
            let after = Port(id: id, state: wanted).openFronts
            close(before.filter { !after.contains($0) }, of: wanted.name, &state, &commands)
            for key in after where state.listeners[key]?.owner != wanted.name {
                state.missing[key, default: []].insert(wanted.name)
            }
        }
    }

    private func close(
        _ keys: [Front.Key], of name: ServicePortName, _ state: inout State,
        _ commands: inout [ForwarderLoop.Command]
    ) {
        for key in keys {
            state.missing[key]?.remove(name)
            if state.missing[key]?.isEmpty == true { state.missing[key] = nil }
            guard let listener = state.listeners[key], listener.owner == name else { continue }
            commands.append(.close(listener: listener.id))
            state.listeners[key] = nil
        }
    }

    /// Opens what is missing, as far as it can be.
    private func openListeners(_ state: inout State) -> [ForwarderLoop.Command] {
        var commands: [ForwarderLoop.Command] = []
        for (key, names) in state.missing {
            guard let name = names.min(), let port = state.ports[name] else { continue }
            if let owner = state.listeners[key]?.owner {
                tell("\(name): \(key) belongs to \(owner)", &state)
                continue
            }
            do throws(KernelError) {
                let isStream = key.proto == .tcp
                guard key.proto != .sctp, let place = address(of: key) else {
                    tell("\(name): \(key) can't be forwarded in userspace", &state)
                    continue
                }
                let socket = try SocketCalls.listen(
                    place, isStream ? SocketCalls.streamType : SocketCalls.datagramType)
                let id = state.nextID
                state.nextID += 1
                state.listeners[key] = (id, name)
                state.missing[key]?.remove(name)
                if state.missing[key]?.isEmpty == true { state.missing[key] = nil }
                commands.append(.open(listener: id, socket: socket.release(), service: port.id, isStream: isStream))
            } catch {
                tell("\(name): \(error)", &state)
            }
        }
        return commands
    }

    /// Once for each problem.
    private func tell(_ problem: String, _ state: inout State) {
        if state.told.count > 10_000 { state.told = [] }
        if state.told.insert(problem).inserted { state.problems.append(problem) }
    }

    /// Where to listen. Node and host ports are on the node's own address: a wildcard would be every service's.
    private func address(of key: Front.Key) -> SocketAddress? {
        switch key.place {
        case .address(let address, let port): SocketAddress(address, port)
        case .nodePort(let port), .hostPort(let port): SocketAddress(nodeAddress, port)
        }
    }
}
