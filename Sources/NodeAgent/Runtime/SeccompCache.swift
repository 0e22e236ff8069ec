import Kernel
import Synchronization

/// Filters are compiled once for each set of capabilities.
enum SeccompCache {
    private static let filters = Mutex<[CapabilitySet: SeccompFilter]>([:])
    /// Sets come from pods' specifications: not to be kept without bound.
    private static let limit = 64

    static func runtimeDefault(_ capabilities: CapabilitySet) -> SeccompFilter {
        if let filter = filters.withLock({ $0[capabilities] }) { return filter }
        let filter = SeccompFilter.runtimeDefault(capabilities: capabilities)
        filters.withLock { filters in
            if filters.count >= limit { filters = [:] }
            filters[capabilities] = filter
        }
        return filter
    }
}
