import Glibc
import KubeAPI
import Testing
import Transport

@testable import ControlPlane

/// Moving a cluster's data between a file and a real etcd.
@Suite(.serialized, .enabled(if: TestEtcd.isInstalled, "etcd is not installed (Debian's etcd-server)"))
struct StoreMigrationTests {
    private let folder: TemporaryFolder
    private let etcd: TestEtcd
    private var path: String { "\(folder.path)/store.db" }

    init() throws {
        folder = try TemporaryFolder()
        etcd = try TestEtcd()
    }

    private func config() throws -> EtcdConfig {
        EtcdConfig(servers: [try GRPCEndpoint("http://127.0.0.1:\(etcd.port)")])
    }

    private func write(_ store: any Store, _ write: StoreWrite) async throws -> Int64 {
        try await withCheckedContinuation { continuation in
            store.submit(write) { continuation.resume(returning: $0) }
        }.get()
    }

    /// A file with objects, of which the newest revision is returned.
    private func fill() async throws -> Int64 {
        let store = try SQLiteStore.open(path: path, log: quiet)
        var revision = try await write(store, .create("pods/a/web", Array("0".utf8)))
        for index in 1..<200 {
            revision = try await write(store, .update("pods/a/web", Array("\(index)".utf8), at: revision))
        }
        for name in ["services/a/web", "nodes/n1", "events/a/e"] {
            revision = try await write(store, .create(name, Array(name.utf8)))
        }
        store.close()
        return revision
    }

    private func refusal(_ body: () async throws -> Void) async throws -> String {
        do {
            try await body()
            return "it was not refused"
        } catch let error as StoreError {
            return error.description
        }
    }

    @Test func thereAndBack() async throws {
        let newest = try await fill()
        let there = try await StoreMigration.toEtcd(file: path, try config(), cluster: "ours", log: quiet)
        #expect(there.objects == 4 && there.revision > newest)
        #expect(access(path, F_OK) != 0 && access(path + ".migrated", F_OK) == 0)
        let store = try await etcd.open()
        let records = try await store.list(prefix: "").records
        #expect(records.map(\.key) == ["events/a/e", "nodes/n1", "pods/a/web", "services/a/web"])
        #expect(records[2].value == Array("199".utf8))
        #expect(records.allSatisfy { $0.revision > newest })
        await store.close()

        let back = try await StoreMigration.toFile(path, from: try config(), cluster: "ours", log: quiet)
        #expect(back.objects == 4 && back.revision > there.revision)
        let file = try SQLiteStore.open(path: path, log: quiet)
        let again = try file.list(prefix: "").records
        #expect(again.map(\.key) == records.map(\.key) && again.map(\.value) == records.map(\.value))
        #expect(again.allSatisfy { $0.revision > there.revision })
        file.close()
        // Nobody works on what was left.
        #expect(try await refusal { _ = try await etcd.open() }.contains("start without --etcd-servers"))
    }

    @Test func whatHoldsDataIsNotWrittenOver() async throws {
        _ = try await fill()
        let store = try await etcd.open()
        let text = try await refusal {
            _ = try await StoreMigration.toEtcd(file: path, try config(), cluster: "ours", log: quiet)
        }
        #expect(text.contains("lies the data of this cluster already"))
        #expect(access(path, F_OK) == 0)
        let back = try await refusal {
            _ = try await StoreMigration.toFile(path, from: try config(), cluster: "ours", log: quiet)
        }
        #expect(back == "cannot migrate: there is a store at \(path) already: move it away")
        await store.close()
    }

    @Test func anInterruptedMoveBeginsAnew() async throws {
        _ = try await fill()
        let half = try await EtcdStore.open(try config(), cluster: "ours", purpose: .fill, log: quiet)
        _ = try await write(half, .create("pods/a/half", [1]))
        await half.close()
        #expect(try await refusal { _ = try await etcd.open() }.contains("an interrupted swiftlet migrate left"))
        let outcome = try await StoreMigration.toEtcd(file: path, try config(), cluster: "ours", log: quiet)
        #expect(outcome.objects == 4)
        let store = try await etcd.open()
        #expect(try await store.get("pods/a/half") == nil)
        #expect(try await store.list(prefix: "").records.count == 4)
        await store.close()
    }

    @Test func serversAtWorkAreNotRobbed() async throws {
        let store = try await etcd.open()
        #expect(try await store.announce("192.0.2.1", as: "kubernetes") == ["192.0.2.1"])
        let text = try await refusal {
            _ = try await StoreMigration.toFile(path, from: try config(), cluster: "ours", log: quiet)
        }
        #expect(text.contains("servers work on etcd") && text.contains("(192.0.2.1)"))
        // Two that must have the same have not.
        let other = try await etcd.open()
        try await store.agree(on: [("service-cidr", "10.96.0.0/16")], as: "192.0.2.1")
        try await other.agree(on: [("service-cidr", "10.96.0.0/16")], as: "192.0.2.2")
        let range = try await refusal {
            try await other.agree(on: [("service-cidr", "10.97.0.0/16")], as: "192.0.2.2")
        }
        #expect(range.contains("a server at 192.0.2.1 works on it with --service-cidr 10.96.0.0/16"))
        await store.close()
        await other.close()
    }
}
