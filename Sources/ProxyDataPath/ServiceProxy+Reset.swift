import Glibc
import Kernel
import KubeAPI

extension ServiceProxy {
    /// Why nf_tables can't be used here, with the kernel's words; nil where it can. For `swiftlet check`.
    public static func nftablesProblem(isIPv6: Bool = false) -> String? {
        NftablesSupport.problem(isIPv6 ? .ipv6 : .ipv4)
    }

    /// Removes what proxies of that tag have left in the kernel: the table `swiftlet-<tag>` and the routes to services;
    /// and puts settings back that were saved.
    public static func reset(tag: String, savedSysctls: String? = nil) throws(KernelError) {
        if let savedSysctls { SavedSysctls(path: savedSysctls).restore() }
        try ServiceRoute.removeAll(tag: tag)
        for family in IPAddress.Family.allCases { try removeTable(tag: tag, family) }
    }

    private static func removeTable(tag: String, _ family: IPAddress.Family) throws(KernelError) {
        let connection: NftConnection
        do throws(KernelError) {
            connection = try NftConnection(family)
            guard try connection.tables().contains(ProxyConfig.table(tag: tag)) else { return }
        } catch {
            // A kernel without nf_tables has no table.
            guard ![EPROTONOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT, EINVAL].contains(error.code) else { return }
            throw error
        }
        var transaction = NftTransaction(table: ProxyConfig.table(tag: tag), family: family)
        transaction.add(.deleteTable)
        try connection.apply(transaction)
    }
}
