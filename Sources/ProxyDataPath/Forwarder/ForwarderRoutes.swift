import Kernel
import KubeAPI
import Synchronization

/// Local routes to the addresses at which services are reached beside the virtual ones: external addresses and those of
/// load balancers. Without them their packets would pass this node by.
///
/// They carry the metric of our route to the services' range, so that whatever removes that removes these, and outlive
/// the daemon as it does: while nobody listens the node refuses.
final class ForwarderRoutes: Sendable {
    /// The interface lo has this number everywhere.
    private static let loopback: Int32 = 1

    private let table: Rtnetlink
    private let priority: UInt32
    /// The node's own addresses, one of each family at most.
    private let sources: [IPAddress]
    /// What is local already: the services' ranges and the node's own addresses.
    private let covered: [CIDR]
    private let present = Mutex<Set<IPAddress>>([])

    /// Works in the network namespace of the calling thread.
    init(priority: UInt32, sources: [IPAddress], covered: [CIDR]) throws(KernelError) {
        table = try Rtnetlink()
        self.priority = priority
        self.sources = sources
        self.covered = covered
    }

    /// Takes over what is there: what an earlier run has left, and what others have spared.
    func inherit() throws(KernelError) {
        let ours = try table.routes(protocol: swiftletRouteProtocol).filter { route in
            route.priority == priority && route.linkIndex == Self.loopback && route.kind == .local
        }
        let single = ours.compactMap { route -> IPAddress? in
            guard let address = IPAddress(bytes: route.destination.bytes),
                Int(route.prefixLength) == address.family.bitCount
            else { return nil }
            return isCovered(address) ? nil : address
        }
        present.withLock { $0 = Set(single) }
    }

    /// Adds what is missing and removes what is not wanted any more; what failed is tried again the next time, and said.
    func set(_ addresses: Set<IPAddress>) -> [String] {
        present.withLock { present in
            let wanted = addresses.filter { !isCovered($0) }
            var problems: [String] = []
            for address in wanted.subtracting(present).sorted() {
                if let problem = attempt(address, { $0.addRoute($1) }) {
                    problems.append(problem)
                } else {
                    present.insert(address)
                }
            }
            for address in present.subtracting(wanted) {
                _ = attempt(address) { $0.deleteRoute($1) }  // somebody else was first, as a rule
                present.remove(address)
            }
            return problems
        }
    }

    private func isCovered(_ address: IPAddress) -> Bool {
        address.isLoopback || covered.contains { $0.contains(address) }
    }

    private func attempt(_ address: IPAddress, _ body: (inout RtnetlinkBatch, Route) -> Void) -> String? {
        guard let destination = InetAddress(bytes: address.bytes) else { return nil }
        let route = Route(
            to: destination, prefixLength: UInt8(address.family.bitCount), linkIndex: Self.loopback,
            source: sources.first { $0.family == address.family }.flatMap { InetAddress(bytes: $0.bytes) },
            kind: .local,
            priority: priority)
        do throws(KernelError) {
            try table.execute { body(&$0, route) }
            return nil
        } catch {
            return "packets to \(address) do not come here: \(error)"
        }
    }
}
