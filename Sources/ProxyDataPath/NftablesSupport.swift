import Glibc
import Kernel
import KubeAPI

/// Whether nf_tables can be used here.
enum NftablesSupport {
    /// What is wrong, in words; nil where all rules that we make are understood. Nothing stays: a table with every kind
    /// of rule is made and deleted in one transaction.
    static func problem(_ family: IPAddress.Family = .ipv4) -> String? {
        let isIPv4 = family == .ipv4
        guard let cluster = CIDR(isIPv4 ? "10.244.0.0/16" : "fd00:10:244::/56"),
            let services = CIDR(isIPv4 ? "10.96.0.0/16" : "fd00:10:96::/112")
        else { return nil }
        let ruleset = Ruleset(
            table: "swiftlet-check-\(getpid())", clusterRange: cluster, serviceRange: services,
            nodeAddress: isIPv4 ? IPAddress(ipv4: 0x7f00_0001) : IPAddress(ipv6: 1), layout: .standard)
        do throws(KernelError) {
            let connection = try NftConnection(family)
            var transaction = NftTransaction(ruleset)
            transaction.add(.addTable)
            for set in ruleset.usedSets { transaction.add(.addSet(set)) }
            for chain in ruleset.chains { transaction.add(chain) }
            for pick in [PickChain.random(count: 2), .sticky(count: 2, seconds: 60, masquerades: true)] {
                transaction.add(ruleset.chain(pick))
            }
            transaction.add(.deleteTable)
            try connection.apply(transaction)
            return nil
        } catch {
            switch error.code {
            case EPERM: return "\(error): it needs CAP_NET_ADMIN"
            case EPROTONOSUPPORT, EOPNOTSUPP:
                return "\(error): the kernel has no nf_tables\(isIPv4 ? "" : " for IPv6")"
            default: return "\(error)"
            }
        }
    }
}
