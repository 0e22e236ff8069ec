import Glibc
import Kernel
import Logging

/// Limits of conntrack that suit a node of a cluster, as Kubernetes' proxy sets them: it raises what is lower, and lowers
/// nothing.
public struct ConntrackSettings: Sendable, Equatable {
    /// Connections for each processor; 0 leaves the limit alone.
    public var maxPerCore: Int
    /// The least limit, where there is one.
    public var minimum: Int
    /// Seconds for which an established connection is remembered without a packet; 0 leaves it alone.
    public var establishedSeconds: Int
    /// Seconds for a connection of which the other side has closed; 0 leaves it alone.
    public var closeWaitSeconds: Int

    public init(
        maxPerCore: Int = 32_768, minimum: Int = 131_072, establishedSeconds: Int = 86_400,
        closeWaitSeconds: Int = 3_600
    ) {
        self.maxPerCore = maxPerCore
        self.minimum = minimum
        self.establishedSeconds = establishedSeconds
        self.closeWaitSeconds = closeWaitSeconds
    }

    /// The settings by their names, for so many processors.
    func wanted(processors: Int) -> [(name: String, value: Int)] {
        var wanted: [(String, Int)] = []
        if maxPerCore > 0 {
            let limit = max(minimum, maxPerCore * processors)
            // The kernel's own ratio: with fewer buckets every look-up walks longer chains.
            wanted.append(("net/netfilter/nf_conntrack_buckets", limit / 4))
            wanted.append(("net/netfilter/nf_conntrack_max", limit))
        }
        if establishedSeconds > 0 {
            wanted.append(("net/netfilter/nf_conntrack_tcp_timeout_established", establishedSeconds))
        }
        if closeWaitSeconds > 0 {
            wanted.append(("net/netfilter/nf_conntrack_tcp_timeout_close_wait", closeWaitSeconds))
        }
        return wanted
    }

    /// Raises what is lower, in the network namespace of the calling thread, and remembers what it was.
    func apply(savingTo saved: SavedSysctls, log: Logger) {
        for (name, value) in wanted(processors: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) {
            do throws(KernelError) {
                guard let now = Int(try Sysctl.read(name)), now < value else { continue }
                try saved.set(name, to: String(value))
                log.info("conntrack setting raised", metadata: ["name": "\(name)", "from": "\(now)", "to": "\(value)"])
            } catch {
                // Limits belong to the machine: from within a network namespace they can't be set.
                log.debug("conntrack setting stays", metadata: ["name": "\(name)", "err": "\(error)"])
            }
        }
    }
}
