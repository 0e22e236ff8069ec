import Glibc
import Kernel

extension ServiceProxy {
    /// Why nf_tables can't be used here, with the kernel's words; nil where it can. For `swiftlet check`.
    public static func nftablesProblem() -> String? { NftablesSupport.problem() }

    /// Removes what proxies of that tag have left in the kernel: the table `swiftlet-<tag>` and the routes to services;
    /// and puts settings back that were saved.
    public static func reset(tag: String, savedSysctls: String? = nil) throws(KernelError) {
        if let savedSysctls { SavedSysctls(path: savedSysctls).restore() }
        try ServiceRoute.removeAll(tag: tag)
        let connection: NftConnection
        do throws(KernelError) {
            connection = try NftConnection()
            guard try connection.tables().contains(ProxyConfig.table(tag: tag)) else { return }
        } catch {
            // A kernel without nf_tables has no table.
            guard ![EPROTONOSUPPORT, EOPNOTSUPP, EINVAL].contains(error.code) else { return }
            throw error
        }
        var transaction = NftTransaction(table: ProxyConfig.table(tag: tag))
        transaction.add(.deleteTable)
        try connection.apply(transaction)
    }
}
