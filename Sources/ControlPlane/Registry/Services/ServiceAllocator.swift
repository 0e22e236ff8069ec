import KubeAPI
import Synchronization

/// Gives services their addresses and node ports: each to one service at a time.
///
/// It lives in memory and is filled from the stored services at start, so that nothing can be lost or leak between two
/// stores.
public final class ServiceAllocator: Sendable {
    /// Addresses of a larger range beyond are not used; a bitmap of so many takes 128 KiB. Kubernetes refuses larger
    /// ranges.
    static let maxAddresses = 1 << 20

    private struct State {
        /// One for each range.
        var addresses: [SlotPool]
        var ports: SlotPool
        var random = SystemRandomNumberGenerator()
    }

    /// The service ranges, one of each family: the first is that of all services that don't ask for another.
    public let ranges: [CIDR]
    public let nodePorts: ClosedRange<Int>
    /// The first usable address: that of the service `default/kubernetes`, whom alone it is given.
    public let kubernetesAddress: IPAddress
    private let addressCounts: [Int]
    private let state: Mutex<State>

    /// - Parameter second: a range of the other family, for services that have addresses of both.
    public init(range: CIDR, second: CIDR? = nil, nodePorts: ClosedRange<Int>) {
        ranges = [range] + [second].compactMap(\.self)
        self.nodePorts = nodePorts
        kubernetesAddress = range.nth(1) ?? range.network
        // Neither the network's address nor, for IPv4, the broadcast address.
        addressCounts = ranges.map { min(max(0, $0.count - ($0.family == .ipv4 ? 2 : 1)), Self.maxAddresses) }
        // The sizes of the bands are Kubernetes' (KEP-3070, KEP-3668).
        state = Mutex(
            State(
                addresses: addressCounts.map {
                    SlotPool(count: $0, staticCount: Self.band($0, divisor: 16, limit: 256))
                },
                ports: SlotPool(
                    count: nodePorts.count, staticCount: Self.band(nodePorts.count, divisor: 32, limit: 128))))
    }

    private static func band(_ count: Int, divisor: Int, limit: Int) -> Int {
        count < 16 ? 0 : max(16, min(limit, count / divisor))
    }

    /// `IPv4` or `IPv6`, as services name them: what the cluster has, the first being what services get unless they ask.
    var families: [String] { ranges.map(\.family.name) }

    /// Takes what a stored service has: at start.
    func adopt(_ service: JSON) {
        let fields = ServiceFields(service)
        state.withLock { state in
            for (pool, slot) in fields.virtualAddresses.compactMap(slot(ofAddress:)) {
                _ = state.addresses[pool].take(slot)
            }
            for slot in fields.takenPorts.compactMap(slot(ofPort:)) { _ = state.ports.take(slot) }
        }
    }

    /// Gives back what a service had that is gone.
    func release(_ service: JSON) {
        let fields = ServiceFields(service)
        release(addresses: fields.virtualAddresses, ports: fields.takenPorts)
    }

    /// Follows a service that another server has written.
    func observe(_ service: JSON?, replacing old: JSON?) {
        let now = ServiceFields(service ?? .null)
        let before = ServiceFields(old ?? .null)
        if let service { adopt(service) }
        release(
            addresses: before.virtualAddresses.filter { !now.virtualAddresses.contains($0) },
            ports: before.takenPorts.filter { !now.takenPorts.contains($0) })
    }

    func release(addresses: [String], ports: [Int]) {
        state.withLock { state in
            for (pool, slot) in addresses.compactMap(slot(ofAddress:)) { state.addresses[pool].release(slot) }
            for slot in ports.compactMap(slot(ofPort:)) { state.ports.release(slot) }
        }
    }

    // MARK: one at a time

    /// Why a slot is not given, in the words of Kubernetes.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    func takeAddress(_ address: IPAddress, isKubernetes: Bool) throws(Refusal) {
        guard let (pool, slot) = slot(of: address) else {
            let range = ranges.first(of: address.family) ?? ranges[0]
            throw Refusal(
                description:
                    "the provided IP (\(address)) is not in the valid range. The range of valid IPs is \(range)")
        }
        guard isKubernetes || address != kubernetesAddress, state.withLock({ $0.addresses[pool].take(slot) }) else {
            throw Refusal(description: "provided IP is already allocated")
        }
    }

    /// Of that family, which the cluster must have; nil is its first.
    func takeAnyAddress(family: String? = nil) throws(Refusal) -> IPAddress {
        let pool = family.flatMap { families.firstIndex(of: $0) } ?? 0
        let slot = state.withLock { state in
            var slot = state.addresses[pool].takeAny(using: &state.random)
            if let found = slot, found == 0, pool == 0 {
                // The first one is not for everybody; what is free beside it is what is left.
                slot = state.addresses[pool].takeAny(using: &state.random)
                state.addresses[pool].release(found)
            }
            return slot
        }
        guard let slot, let address = ranges[pool].nth(slot + 1) else { throw Refusal(description: "range is full") }
        return address
    }

    func takePort(_ port: Int) throws(Refusal) {
        guard let slot = slot(ofPort: port) else {
            throw Refusal(
                description: "provided port is not in the valid range. The range of valid ports is "
                    + "\(nodePorts.lowerBound)-\(nodePorts.upperBound)")
        }
        guard state.withLock({ $0.ports.take(slot) }) else {
            throw Refusal(description: "provided port is already allocated")
        }
    }

    func takeAnyPort() throws(Refusal) -> Int {
        guard let slot = state.withLock({ $0.ports.takeAny(using: &$0.random) }) else {
            throw Refusal(description: "range is full")
        }
        return nodePorts.lowerBound + slot
    }

    // MARK: slots

    private func slot(of address: IPAddress) -> (pool: Int, slot: Int)? {
        guard let pool = ranges.firstIndex(where: { $0.family == address.family }),
            let offset = ranges[pool].offset(of: address), 1 <= offset, offset <= addressCounts[pool]
        else { return nil }
        return (pool, offset - 1)
    }

    private func slot(ofAddress text: String) -> (pool: Int, slot: Int)? { IPAddress(text).flatMap(slot(of:)) }

    private func slot(ofPort port: Int) -> Int? {
        nodePorts.contains(port) ? port - nodePorts.lowerBound : nil
    }
}
