import KubeAPI
import Transport

/// What all servers of a cluster must have the same: two that hand out addresses of different ranges would undo each
/// other's work.
extension EtcdStore {
    /// Takes part with these settings, by the names of their flags. Throws `unusable` where another server that is at
    /// work has others. Nobody else there, they are the cluster's from now on.
    public func agree(on settings: [(flag: String, value: String)], as address: String) async throws(StoreError) {
        var record = JSONObject()
        for (flag, value) in settings { record[flag] = .string(value) }
        let bytes = JSON.object(record).serialized()
        let found: [UInt8]?
        do throws(GRPCError) {
            found = try await client.range(EtcdRangeRequest(EtcdRange(key: keys.settings))).values.first?.value
        } catch {
            throw error.storeError(place)
        }
        if found == bytes { return }
        let others = found.flatMap { try? JSON.parse($0) } ?? .null  // damaged, it binds nobody
        let present = try await present(as: "kubernetes").filter { $0 != address }
        for (flag, value) in settings {
            guard let theirs = others[flag].string, theirs != value, let server = present.first else { continue }
            throw .unusable(
                "cannot use etcd at \(place): a server at \(server) works on it with --\(flag) \(theirs): give this one "
                    + "the same instead of \(value)")
        }
        let failure = await withCheckedContinuation { continuation in
            client.put(keys.settings, bytes) { continuation.resume(returning: $0) }
        }
        if let failure { throw failure.storeError(place) }
    }
}
