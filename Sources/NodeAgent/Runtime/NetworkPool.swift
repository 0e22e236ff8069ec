import KubeAPI
import Kernel
import Logging
import Synchronization

/// A pod's network before there is a pod: a namespace with its link and address. It goes with its descriptor, unless a
/// process has entered it.
final class PreparedNetwork: Sendable {
    let addresses: PodAddresses
    let namespace: NetworkNamespace

    init(_ addresses: PodAddresses, _ namespace: consuming NetworkNamespace) {
        self.addresses = addresses
        self.namespace = namespace
    }
}

/// A few networks that were prepared while nobody waited: to make one takes a millisecond, to hand one out none.
final class NetworkPool: Sendable {
    /// Enough for what starts at once in daily life; a larger burst makes its own.
    static let size = 8
    /// A pod that is being started has the processors for itself until then.
    private static let refillDelay = Duration.milliseconds(200)

    private let network: PodNetwork
    private let loop: EpollLoop
    private let thread: WorkerThreads
    private let log: Logger
    private struct State {
        var ready: [PreparedNetwork] = []
        var target = 0
        var isRefillPlanned = false
        var hasWarned = false
    }
    private let state = Mutex(State())

    init(network: PodNetwork, loop: EpollLoop, thread: WorkerThreads, log: Logger) {
        self.network = network
        self.loop = loop
        self.thread = thread
        self.log = log
    }

    private func release(_ prepared: PreparedNetwork) { network.release(prepared.addresses.ipv4) }

    /// Begins to fill, with fewer where the range has few addresses.
    func start(addresses: Int) {
        state.withLock { $0.target = min(Self.size, addresses / 4) }
        planRefill(after: .zero)
    }

    /// Gives up all that is prepared.
    func stop() {
        let ready = state.withLock { state in
            state.target = 0
            defer { state.ready = [] }
            return state.ready
        }
        for prepared in ready { release(prepared) }
    }

    /// Gives up what is prepared for others that fit the node as it is now.
    func renew() {
        let ready = state.withLock { state in
            defer { state.ready = [] }
            return state.ready
        }
        for prepared in ready { release(prepared) }
        planRefill(after: Self.refillDelay)
    }

    /// Gives up the one of that address, whose link is gone.
    func drop(_ address: IPAddress) {
        let isPrepared = state.withLock { state in
            let count = state.ready.count
            state.ready.removeAll { $0.addresses.ipv4 == address }
            return state.ready.count < count
        }
        guard isPrepared else { return }
        network.release(address)
        planRefill(after: Self.refillDelay)
    }

    /// Takes one, or makes one.
    func take() throws(RuntimeError) -> PreparedNetwork {
        let prepared = state.withLock { $0.ready.isEmpty ? nil : $0.ready.removeFirst() }
        planRefill(after: Self.refillDelay)
        if let prepared { return prepared }
        return try make()
    }

    private func make() throws(RuntimeError) -> PreparedNetwork {
        let addresses = try network.takeAddresses()
        do throws(KernelError) {
            return PreparedNetwork(addresses, try network.make(addresses))
        } catch {
            network.release(addresses.ipv4)
            throw RuntimeError(.system, "cannot set up pod network", cause: error)
        }
    }

    private func planRefill(after delay: Duration) {
        let isNeeded = state.withLock { state in
            guard !state.isRefillPlanned, state.ready.count < state.target else { return false }
            state.isRefillPlanned = true
            return true
        }
        guard isNeeded else { return }
        loop.after(delay) { [weak self] in
            guard let self else { return }
            thread.post { [weak self] in self?.refill() }
        }
    }

    private func refill() {
        state.withLock { $0.isRefillPlanned = false }
        while state.withLock({ $0.ready.count < $0.target }) {
            let prepared: PreparedNetwork
            do throws(RuntimeError) {
                prepared = try make()
            } catch {
                let isNew = state.withLock { state in
                    defer { state.hasWarned = true }
                    return !state.hasWarned
                }
                // The next pod will say so itself, and asks for another refill.
                if isNew, error.reason != .noAddressLeft {
                    log.warning("cannot prepare pod networks", metadata: ["err": "\(error)"])
                }
                return
            }
            let isWanted = state.withLock { state in
                guard state.ready.count < state.target else { return false }
                state.ready.append(prepared)
                return true
            }
            // Stopped meanwhile, or another range is in use.
            if !isWanted { release(prepared) }
        }
        state.withLock { $0.hasWarned = false }
    }
}
