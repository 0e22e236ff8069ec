import KubeAPI
import Transport

/// Which servers there are at present: each has a key that ends with a lease, as Kubernetes' servers have it
/// (`masterleases`).
extension EtcdStore {
    private static let presenceSeconds: Int64 = 15

    public func announce(_ address: String, as name: String) async throws(StoreError) -> [String] {
        let folder = presenceFolder(name)
        announced.withLock { _ = $0.insert(folder + address) }
        let value: JSON = [
            "kind": "Endpoints", "apiVersion": "v1", "subsets": [["addresses": [["ip": .string(address)]]]],
        ]
        do throws(GRPCError) {
            let granted = await withCheckedContinuation { continuation in
                client.grantLease(seconds: Self.presenceSeconds) { continuation.resume(returning: $0) }
            }
            let lease = try granted.get().id
            let failure = await withCheckedContinuation { continuation in
                client.put(folder + address, value.serialized(), lease: lease) { continuation.resume(returning: $0) }
            }
            if let failure { throw failure }
            return try await present(in: folder)
        } catch {
            throw error.storeError(place)
        }
    }

    /// Says that this server goes: others need not wait until its leases have ended.
    func withdraw() async {
        for key in announced.withLock({ $0 }) {
            var writer = ProtobufWriter()
            writer.string(1, key)
            // Where this fails, the lease does it.
            _ = try? await client.channel.call("/etcdserverpb.KV/DeleteRange", writer.bytes, timeout: .seconds(1))
        }
    }

    /// The addresses of the servers that have said so lately.
    func present(as name: String) async throws(StoreError) -> [String] {
        do throws(GRPCError) { return try await present(in: presenceFolder(name)) } catch {
            throw error.storeError(place)
        }
    }

    private func present(in folder: String) async throws(GRPCError) -> [String] {
        try await client.list(prefix: folder, revision: 0).values.map { String($0.key.dropFirst(folder.count)) }
    }

    private func presenceFolder(_ name: String) -> String {
        keys.root + (name == "kubernetes" ? "\(EtcdKeys.presence)/" : "\(EtcdKeys.own)/\(name)/")
    }
}
