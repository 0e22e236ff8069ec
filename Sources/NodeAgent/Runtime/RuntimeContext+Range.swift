import Glibc
import KubeAPI
import Kernel
import Logging

extension RuntimeContext {
    /// Gives addresses of these ranges from now on: one of IPv4, and of IPv6 where the node has it. `used`: those that
    /// pods have.
    func usePodRanges(_ ranges: [CIDR], used: [PodAddresses]) throws(RuntimeError) {
        guard let range = ranges.first(of: .ipv4) else {
            let text = ranges.map(\.description).joined(separator: ",")
            throw RuntimeError(.invalidSpec, "pod range \(text) is not one of IPv4")
        }
        let second = config.nodeIPs.contains(where: \.isIPv6) ? ranges.first(of: .ipv6) : nil
        if network.pool?.range.description == range.description, network.secondRange == second { return }
        try check(range, second, used)
        pool.stop()
        do throws(KernelError) {
            let addresses = try AddressPool(
                range: range, reserved: reserved(in: range, second), path: paths.addresses)
            // Links of pods that are gone hold their addresses until they are gone too.
            let linked = try network.linkedAddresses().map(\.address)
            let known = used.map(\.ipv4)
            try addresses.reset(to: known + linked)
            network.use(addresses, second: second)
            for address in linked where !known.contains(address) { network.release(address) }
            network.adopt(used)
            pool.start(addresses: addresses.freeCount)
        } catch {
            throw RuntimeError(.system, "cannot use pod range \(range)", cause: error)
        }
    }

    private func check(_ range: CIDR, _ second: CIDR?, _ used: [PodAddresses]) throws(RuntimeError) {
        if let second, second.count < range.count {
            throw RuntimeError(
                .invalidSpec, "pod range \(second) has fewer addresses than \(range): every pod has one of each")
        }
        // Pods that are older than the second range have none of it.
        let strangers = used.flatMap { addresses in
            [(addresses.ipv4, Optional(range)), (addresses.ipv6, second)].filter { address, range in
                guard let address, let range else { return false }
                return !range.contains(address)
            }
        }.compactMap(\.0)
        guard strangers.isEmpty else {
            throw RuntimeError(
                .system,
                "cannot use pod range \(range): \(strangers.count) pods have addresses of another, as \(strangers[0])")
        }
    }

    /// The node's own addresses, and what would go with them.
    private func reserved(in range: CIDR, _ second: CIDR?) -> [IPAddress] {
        config.nodeIPs.compactMap { address in
            address.isIPv4 ? address : second?.offset(of: address).flatMap { range.nth($0) }
        }
    }
}
