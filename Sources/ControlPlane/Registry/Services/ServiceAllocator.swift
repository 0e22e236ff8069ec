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
        var addresses: SlotPool
        var ports: SlotPool
        var random = SystemRandomNumberGenerator()
    }

    /// The service range. Its family is that of all services' addresses.
    public let range: CIDR
    public let nodePorts: ClosedRange<Int>
    /// The first usable address: that of the service `default/kubernetes`, whom alone it is given.
    public let kubernetesAddress: IPAddress
    private let addressCount: Int
    private let state: Mutex<State>

    public init(range: CIDR, nodePorts: ClosedRange<Int>) {
        self.range = range
        self.nodePorts = nodePorts
        kubernetesAddress = range.nth(1) ?? range.network
        // Neither the network's address nor, for IPv4, the broadcast address.
        addressCount = min(max(0, range.count - (range.family == .ipv4 ? 2 : 1)), Self.maxAddresses)
        // The sizes of the bands are Kubernetes' (KEP-3070, KEP-3668).
        state = Mutex(
            State(
                addresses: SlotPool(
                    count: addressCount, staticCount: Self.band(addressCount, divisor: 16, limit: 256)),
                ports: SlotPool(
                    count: nodePorts.count, staticCount: Self.band(nodePorts.count, divisor: 32, limit: 128))))
    }

    private static func band(_ count: Int, divisor: Int, limit: Int) -> Int {
        count < 16 ? 0 : max(16, min(limit, count / divisor))
    }

    /// `IPv4` or `IPv6`, as services name it.
    var family: String { range.family == .ipv4 ? "IPv4" : "IPv6" }

    /// Takes what a stored service has: at start.
    func adopt(_ service: JSON) {
        let fields = ServiceFields(service)
        state.withLock { state in
            for slot in fields.virtualAddresses.compactMap(slot(ofAddress:)) { _ = state.addresses.take(slot) }
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
            for slot in addresses.compactMap(slot(ofAddress:)) { state.addresses.release(slot) }
            for slot in ports.compactMap(slot(ofPort:)) { state.ports.release(slot) }
        }
    }

    // MARK: one at a time

    /// Why a slot is not given, in the words of Kubernetes.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    func takeAddress(_ address: IPAddress, isKubernetes: Bool) throws(Refusal) {
        guard let slot = slot(of: address) else {
            throw Refusal(
                description:
                    "the provided IP (\(address)) is not in the valid range. The range of valid IPs is \(range)")
        }
        guard isKubernetes || address != kubernetesAddress, state.withLock({ $0.addresses.take(slot) }) else {
            throw Refusal(description: "provided IP is already allocated")
        }
    }

    func takeAnyAddress() throws(Refusal) -> IPAddress {
        let slot = state.withLock { state in
            var slot = state.addresses.takeAny(using: &state.random)
            if let found = slot, found == 0 {
                // The first one is not for everybody; what is free beside it is what is left.
                slot = state.addresses.takeAny(using: &state.random)
                state.addresses.release(found)
            }
            return slot
        }
        guard let slot, let address = range.nth(slot + 1) else { throw Refusal(description: "range is full") }
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

    private func slot(of address: IPAddress) -> Int? {
        guard let offset = range.offset(of: address), (1...addressCount).contains(offset) else { return nil }
        return offset - 1
    }

    private func slot(ofAddress text: String) -> Int? { IPAddress(text).flatMap(slot(of:)) }

    private func slot(ofPort port: Int) -> Int? {
        nodePorts.contains(port) ? port - nodePorts.lowerBound : nil
    }
}
