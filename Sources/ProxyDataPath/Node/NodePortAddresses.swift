import Glibc
import Kernel
import KubeAPI
import Logging
import Synchronization

/// The addresses of the node on which node ports are answered: its primary ones, one of each family, or those within given ranges, as they
/// come and go.
final class NodePortAddresses: Sendable {
    private let primary: [IPAddress]
    private let ranges: [CIDR]
    private let table: Rtnetlink
    private let monitor: Mutex<RtnetlinkMonitor?> = Mutex(nil)
    private let known: Mutex<[IPAddress]>
    private let log: Logger

    /// In the network namespace of the calling thread. Without ranges the primary addresses are the only ones.
    init(primary: [IPAddress], ranges: [CIDR], log: Logger) throws(KernelError) {
        self.primary = primary
        self.ranges = ranges
        self.log = log
        table = try Rtnetlink()
        known = Mutex(primary)
        known.withLock { $0 = read() ?? primary }
    }

    var current: [IPAddress] { known.withLock { $0 } }

    /// Calls back on the loop's thread whenever they change.
    func watch(on loop: EpollLoop, _ callback: @escaping @Sendable ([IPAddress]) -> Void) throws(KernelError) {
        guard !ranges.isEmpty else { return }
        let monitor = try RtnetlinkMonitor(.addresses, on: loop) { [weak self] event in
            switch event {
            case .addressChanged, .addressRemoved, .overrun: break
            default: return
            }
            guard let self, let now = read() else { return }
            let isNew = known.withLock { known in
                defer { known = now }
                return known != now
            }
            if isNew { callback(now) }
        }
        self.monitor.withLock { $0 = monitor }
    }

    func stop() { monitor.withLock { $0?.stop() } }

    /// Nil where they can't be read.
    private func read() -> [IPAddress]? {
        guard !ranges.isEmpty else { return primary }
        do throws(KernelError) {
            return Self.select(try table.addresses().compactMap { IPAddress(bytes: $0.address.bytes) }, ranges)
        } catch {
            log.warning("cannot read the node's addresses", metadata: ["err": "\(error)"])
            return nil
        }
    }

    /// Those within the ranges, sorted, each once. What comes to a loopback address can't leave the machine, and a link-local one
    /// of IPv6 is nothing without its link.
    static func select(_ addresses: [IPAddress], _ ranges: [CIDR]) -> [IPAddress] {
        let fitting = addresses.filter { address in
            !address.isLoopback && !(address.isIPv6 && address.isLinkLocal) && ranges.contains { $0.contains(address) }
        }
        return Set(fitting).sorted()
    }
}
