import Transport

extension EtcdStore {
    /// What a place is opened for.
    public enum Purpose: Sendable {
        /// To serve a cluster from it.
        case serve
        /// To fill it; it must be empty, or have been left half full.
        case fill
    }

    /// Raises the revision by so many writes.
    func lift(by count: Int64, parallel: Int) async throws(StoreError) {
        let (each, rest) = count.quotientAndRemainder(dividingBy: Int64(parallel))
        let failure = await withTaskGroup(of: GRPCError?.self) { group in
            for index in 0..<parallel {
                group.addTask { [self] in
                    for _ in 0..<(each + (Int64(index) < rest ? 1 : 0)) {
                        let failure = await withCheckedContinuation { continuation in
                            client.put(keys.mark, []) { continuation.resume(returning: $0) }
                        }
                        if let failure { return failure }
                    }
                    return nil
                }
            }
            return await group.reduce(into: GRPCError?.none) { $0 = $0 ?? $1 }
        }
        if let failure { throw failure.storeError(place) }
    }

    /// Compacts what was never told to anybody.
    func giveUpHistory(through revision: Int64) async throws(StoreError) {
        do throws(GRPCError) { try await client.compact(through: revision) } catch { throw error.storeError(place) }
    }

    /// Says what a place is used for.
    func mark(cluster: String, _ state: EtcdIdentity.State) async throws(StoreError) {
        let failure = await withCheckedContinuation { continuation in
            client.put(keys.identity, EtcdIdentity.record(cluster, state)) { continuation.resume(returning: $0) }
        }
        if let failure { throw failure.storeError(place) }
    }
}
