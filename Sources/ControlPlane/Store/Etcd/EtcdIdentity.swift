import Glibc
import KubeAPI
import Logging
import Transport

/// Whether what answers is an etcd that we can work with, and what lies in it is ours.
enum EtcdIdentity {
    /// The form of keys and values.
    static let format = 1
    /// The first with watches in pieces and leases as we use them.
    static let oldest = (major: 3, minor: 4)

    /// Waits for a server, and checks its version. Throws what names cause and way out.
    static func checkServer(
        _ client: EtcdClient, _ config: EtcdConfig, _ log: Logger
    ) async throws(StoreError) -> EtcdStatus {
        let clock = ContinuousClock()
        let deadline = clock.now + config.patience
        var isWaiting = false
        while true {
            do {
                let status = try await client.status(timeout: .seconds(2))
                if let refusal = refusal(version: status.version) {
                    throw StoreError.unusable("cannot use etcd at \(config.place): \(refusal)")
                }
                return status
            } catch let error as GRPCError {
                let isAbsent = error.code == .unavailable || error.code == .deadlineExceeded
                guard isAbsent, clock.now < deadline else {
                    throw unusable(config, error)
                }
                if !isWaiting {
                    isWaiting = true
                    log.notice(
                        "waiting for etcd", metadata: ["servers": "\(config.place)", "err": "\(error.message)"])
                }
                try? await Task.sleep(for: .milliseconds(200))  // cancelled: the deadline ends it
            } catch {
                throw error as? StoreError ?? .failed("\(error)")
            }
        }
    }

    static func unusable(_ config: EtcdConfig, _ error: GRPCError) -> StoreError {
        switch error.code {
        case .unavailable, .deadlineExceeded:
            .unusable(
                "cannot reach etcd at \(config.place): \(error.message): is it running, and is --etcd-servers right?")
        case .unimplemented:
            .unusable(
                "cannot use etcd at \(config.place): \(error.message): it needs etcd \(oldest.major).\(oldest.minor) or newer"
            )
        case .unauthenticated where error.isUnsent:
            .unusable(
                "cannot use etcd at \(config.place): \(error.message): check --etcd-cafile, --etcd-certfile and "
                    + "--etcd-keyfile")
        default: error.storeError(config.place)
        }
    }

    /// Why an etcd of this version can't be used; nil where it can.
    static func refusal(version: String) -> String? {
        let needed = "swiftlet needs etcd \(oldest.major).\(oldest.minor) or a newer 3.x"
        guard let (major, minor, _) = parse(version) else {
            return "it says that its version is \"\(version)\": \(needed)"
        }
        if major != oldest.major || minor < oldest.minor { return "its version is \(version): \(needed)" }
        return nil
    }

    /// Whether what it says on request about the progress of a watch is true: before these versions, it could run ahead
    /// of the events (https://github.com/etcd-io/etcd/issues/15220).
    static func hasTrueProgress(version: String) -> Bool {
        guard let (_, minor, patch) = parse(version) else { return false }
        switch minor {
        case ..<4: return false
        case 4: return patch >= 25
        case 5: return patch >= 8
        default: return true
        }
    }

    private static func parse(_ version: String) -> (Int, Int, Int)? {
        let parts = version.split(separator: "-")[0...].first?.split(separator: ".").map { Int($0) } ?? []
        guard parts.count >= 2, let major = parts[0], let minor = parts[1] else { return nil }
        return (major, minor, parts.count > 2 ? parts[2] ?? 0 : 0)
    }

    /// What a place is used for.
    enum State: String {
        case inUse
        /// Its data is on its way here.
        case filling
        /// Its data has moved to a file.
        case left
    }

    static func record(_ cluster: String, _ state: State) -> [UInt8] {
        var record: JSON = ["format": .int(Int64(format)), "cluster": .string(cluster)]
        if state != .inUse { record["state"] = .string(state.rawValue) }
        return record.serialized()
    }

    /// Marks an empty place as this cluster's, and refuses one that is another's. Returns the newest revision.
    /// - Parameter cluster: what tells clusters apart; the same for all servers of one.
    static func claim(
        _ client: EtcdClient, _ keys: EtcdKeys, cluster: String, _ config: EtcdConfig, _ purpose: EtcdStore.Purpose
    ) async throws(StoreError) -> EtcdHeader {
        let refusal = Refusal(place: "cannot use etcd at \(config.place): below \(keys.root)", cluster: cluster)
        do {
            let found = try await client.range(EtcdRangeRequest(EtcdRange(key: keys.identity)))
            if let value = found.values.first?.value {
                let isHalfFull = try refusal.check(value, purpose)
                return isHalfFull ? try await client.deleteAll(below: keys.root, but: keys.identity) : found.header
            }
            var any = EtcdRangeRequest(EtcdRange(prefix: keys.root))
            any.limit = 1
            any.keysOnly = true
            if let key = try await client.range(any).values.first?.key { throw refusal.foreign("(\(key))") }
            let claimed = try await client.transact(
                EtcdTransaction(
                    key: keys.identity, condition: .version(0),
                    action: .put(record(cluster, purpose == .fill ? .filling : .inUse), lease: 0)))
            // Another server of ours, or of somebody else's, may have been faster.
            if let value = claimed.current?.value { _ = try refusal.check(value, purpose) }
            return claimed.header
        } catch let error as GRPCError {
            throw unusable(config, error)
        } catch {
            throw error as? StoreError ?? .failed("\(error)")
        }
    }

    /// Why what lies there is not for us.
    private struct Refusal {
        let place: String
        let cluster: String

        func foreign(_ example: String) -> StoreError {
            .unusable(
                "\(place) lies data of another program \(example): choose another place with --etcd-prefix, or another "
                    + "etcd")
        }

        /// Whether it was left half full.
        func check(_ value: [UInt8], _ purpose: EtcdStore.Purpose) throws(StoreError) -> Bool {
            let record = (try? JSON.parse(value)) ?? .null  // what can't be parsed is no record of ours
            guard let found = record["format"].int, let owner = record["cluster"].string else {
                throw foreign("(\(EtcdKeys.own))")
            }
            guard found == format else {
                throw .unusable(
                    "\(place) lies data of format \(found), and this version of swiftlet knows format \(format): use "
                        + "the swiftlet that wrote it")
            }
            guard owner == cluster else {
                throw .unusable(
                    "\(place) lies the data of another cluster (CA \(owner.prefix(16)), this server's is "
                        + "\(cluster.prefix(16))): to join that cluster, copy its pki folder into this server's data "
                        + "folder; to have one of your own beside it, choose another place with --etcd-prefix")
            }
            switch (State(rawValue: record["state"].string ?? "inUse"), purpose) {
            case (.inUse, .serve): return false
            case (.filling, .fill): return true
            case (.filling, .serve):
                throw .unusable("\(place) lies what an interrupted swiftlet migrate left: run it again")
            case (.left, .serve):
                throw .unusable(
                    "\(place) lies data that swiftlet migrate has moved to a file since: start without --etcd-servers")
            case (_, .fill):
                throw .unusable("\(place) lies the data of this cluster already: nothing is written over it")
            case (nil, _): throw foreign("(\(EtcdKeys.own))")
            }
        }
    }
}
