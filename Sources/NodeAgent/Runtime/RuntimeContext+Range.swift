import KubeAPI
import Kernel
import Logging

extension RuntimeContext {
    /// Gives addresses of that range from now on. `used`: those that pods have.
    func usePodRange(_ range: CIDR, used: [IPAddress]) throws(RuntimeError) {
        guard range.family == .ipv4 else {
            throw RuntimeError(.invalidSpec, "pod range \(range) is not one of IPv4")
        }
        if network.pool?.range.description == range.description { return }
        let strangers = used.filter { !range.contains($0) }
        guard strangers.isEmpty else {
            throw RuntimeError(
                .system,
                "cannot use pod range \(range): \(strangers.count) pods have addresses of another, as \(strangers[0])")
        }
        pool.stop()
        do throws(KernelError) {
            let addresses = try AddressPool(
                range: range, reserved: config.nodeIP.map { [$0] } ?? [], path: paths.addresses)
            // Links of pods that are gone hold their addresses until they are gone too.
            let linked = try network.linkedAddresses().map(\.address)
            try addresses.reset(to: used + linked)
            network.use(addresses)
            for address in linked where !used.contains(address) { network.release(address) }
            network.adopt(used)
            pool.start(addresses: addresses.freeCount)
        } catch {
            throw RuntimeError(.system, "cannot use pod range \(range)", cause: error)
        }
    }
}
