import KubeAPI
import Testing
import Transport

@testable import ControlPlane

/// The store over a real etcd: the same contract as SQLite's, and what only a shared store has.
@Suite(.serialized, .enabled(if: TestEtcd.isInstalled, "etcd is not installed (Debian's etcd-server)"))
struct EtcdStoreTests {
    @Test(arguments: StoreContract.Check.allCases)
    func keepsTheContract(_ check: StoreContract.Check) async throws {
        let etcd = try TestEtcd()
        try await StoreContract { try await etcd.open() }.run(check)
        withExtendedLifetime(etcd) {}
    }

    private func write(_ store: any Store, _ write: StoreWrite) async throws -> Int64 {
        try await withCheckedContinuation { continuation in
            store.submit(write) { continuation.resume(returning: $0) }
        }.get()
    }

    private func catchUp(_ store: any Store) async -> StoreError? {
        await withCheckedContinuation { continuation in store.catchUp { continuation.resume(returning: $0) } }
    }

    private func refusal(_ body: () async throws -> EtcdStore) async throws -> String? {
        do {
            try await body().close()
            return nil
        } catch let error as StoreError {
            return error.description
        }
    }

    @Test func serversSeeEachOthersWrites() async throws {
        let etcd = try TestEtcd()
        let (one, other) = (try await etcd.open(), try await etcd.open())
        let seen = Box<[StoreEvent]>([])
        other.addSink { update in if case .changes(let events, _) = update { seen.change { $0 += events } } }
        var revisions: [Int64] = []
        for index in 0..<50 {
            let revision = try await write(index % 2 == 0 ? one : other, .create("pods/a/\(index)", [1]))
            revisions.append(revision)
            #expect(await catchUp(other) == nil)
            #expect(other.revision >= revision && seen.value.last?.revision == revision)
        }
        #expect(seen.value.map(\.revision) == revisions)
        #expect(seen.value.map(\.isForeign) == (0..<50).map { $0 % 2 == 0 })
        await one.close()
        await other.close()
    }

    /// Keys of others raise the revision, and nobody hears of them.
    @Test func catchesUpWithWhatItIsNotToldOf() async throws {
        let etcd = try TestEtcd()
        let (ours, theirs) = (try await etcd.open(), try await etcd.open(prefix: "/theirs", cluster: "theirs"))
        ours.addSink { _ in }
        for index in 0..<3 {
            let revision = try await write(theirs, .create("pods/a/\(index)", [1]))
            #expect(await catchUp(ours) == nil)
            #expect(ours.revision >= revision)
        }
        await ours.close()
        await theirs.close()
    }

    @Test func liesWhereKubernetesHasIt() async throws {
        let etcd = try TestEtcd()
        let store = try await etcd.open()
        let paths = [
            "pods/default/web": "/registry/pods/default/web", "nodes/n1": "/registry/minions/n1",
            "services/default/web": "/registry/services/specs/default/web",
            "deployments.apps/default/web": "/registry/deployments/default/web",
        ]
        for key in paths.keys { _ = try await write(store, .create(key, [1])) }
        let (_, values) = try await store.client.list(prefix: "/registry/", revision: 0)
        #expect(Set(values.map(\.key)) == Set(paths.values).union(["/registry/swiftlet/cluster"]))
        #expect(try await store.list(prefix: "services/").records.map(\.key) == ["services/default/web"])
        await store.close()
    }

    @Test func eventsEndWithALease() async throws {
        let etcd = try TestEtcd()
        let store = try await etcd.open()
        for index in 0..<5 { _ = try await write(store, .create("events/default/\(index)", [1])) }
        _ = try await write(store, .create("pods/default/web", [1]))
        let (_, values) = try await store.client.list(prefix: "/registry/", revision: 0)
        let leases = Set(values.filter { $0.key.hasPrefix("/registry/events/") }.map(\.lease))
        #expect(leases.count == 1 && !leases.contains(0))
        #expect(values.first { $0.key.hasPrefix("/registry/pods/") }?.lease == 0)
        await store.close()
    }

    /// Changes that were compacted before they were told are replaced by all there is.
    @Test func listsAnewWhatItHasMissed() async throws {
        let etcd = try TestEtcd()
        let (store, other) = (try await etcd.open(), try await etcd.open())
        let resets = Box<[[StoreRecord]]>([])
        store.addSink { update in if case .reset(let records, _) = update { resets.change { $0.append(records) } } }
        let first = try await write(store, .create("pods/a/x", [1]))
        store.client.channel.run { store.watch?.close() }
        var revision = first
        for value in 2..<10 { revision = try await write(other, .update("pods/a/x", [UInt8(value)], at: revision)) }
        try await other.compact(through: revision)
        store.client.channel.run { store.follow(after: first) }
        #expect(await catchUp(store) == nil)
        #expect(try await eventually { resets.value.count == 1 })
        #expect(resets.value.first?.map(\.revision) == [revision])
        #expect(store.revision >= revision && store.compactedRevision >= revision)
        // And it goes on from there.
        let next = try await write(other, .create("pods/a/y", [1]))
        #expect(await catchUp(store) == nil)
        #expect(store.revision >= next)
        await store.close()
        await other.close()
    }

    @Test func refusesWhatIsNotItsOwn() async throws {
        let etcd = try TestEtcd()
        try await etcd.open().close()
        let another = try await refusal { try await etcd.open(cluster: "another") }
        #expect(another?.contains("lies the data of another cluster (CA ours, this server's is another)") == true)
        let store = try await etcd.open()
        store.client.put("/foreign/pods/default/web", [1]) { _ in }
        #expect(
            try await eventually { try await store.client.list(prefix: "/foreign/", revision: 0).values.count == 1 })
        let foreign = try await refusal { try await etcd.open(prefix: "/foreign") }
        #expect(foreign?.contains("lies data of another program (/foreign/pods/default/web)") == true)
        // A newer format than we know.
        store.client.put("/newer/swiftlet/cluster", Array(#"{"format":2,"cluster":"ours"}"#.utf8)) { _ in }
        #expect(try await eventually { try await store.client.list(prefix: "/newer/", revision: 0).values.count == 1 })
        let newer = try await refusal { try await etcd.open(prefix: "/newer") }
        #expect(newer?.contains("lies data of format 2, and this version of swiftlet knows format 1") == true)
        await store.close()
    }
}

/// What needs no etcd.
@Suite struct EtcdTests {
    @Test(
        arguments: [
            ("3.4.23", nil), ("3.6.0", nil), ("3.5.0-rc.1", nil), ("3.3.25", "its version is 3.3.25"),
            ("2.3.8", "its version is 2.3.8"), ("4.0.0", "its version is 4.0.0"), ("", "its version is \"\""),
        ] as [(String, String?)])
    func otherVersionsAreRefused(version: String, refusal: String?) {
        let answer = EtcdIdentity.refusal(version: version)
        if let refusal { #expect(answer?.contains(refusal) == true) } else { #expect(answer == nil) }
    }

    @Test func progressIsBelievedFromTheVersionsOnThatTellTheTruth() {
        for version in ["3.4.25", "3.5.8", "3.6.0"] { #expect(EtcdIdentity.hasTrueProgress(version: version)) }
        for version in ["3.4.23", "3.5.7", "", "x"] { #expect(!EtcdIdentity.hasTrueProgress(version: version)) }
    }

    @Test(arguments: [
        "pods/default/web", "nodes/n1", "services/default/web", "endpoints/default/web",
        "replicationcontrollers/a/b", "deployments.apps/a/b", "endpointslices.discovery.k8s.io/a/b",
        "leases.coordination.k8s.io/a/b", "widgets.example.com/a/b", "gizmos.example.com/a",
        "ingresses.networking.k8s.io/a/b", "events.events.k8s.io/a/b", "namespaces/default",
    ])
    func pathsLeadBack(key: String) {
        let keys = EtcdKeys(prefix: "/registry")
        #expect(keys.key(keys.path(key)) == key)
    }

    @Test func everyServedResourceHasAPathOfItsOwn() {
        let keys = EtcdKeys(prefix: "/registry")
        let paths = Scheme.builtin.resources.map { keys.path("\($0.path)/x") }
        #expect(Set(paths).count == paths.count)
        for resource in Scheme.builtin.resources {
            #expect(keys.key(keys.path("\(resource.path)/x")) == "\(resource.path)/x")
        }
        #expect(keys.key(keys.identity) == nil && keys.key(keys.mark) == nil)
        #expect(keys.key("/other/pods/a") == nil && keys.key("/registry/x") == nil)
    }

    @Test func aPrefixEndsBeforeTheNextOne() {
        #expect(EtcdRange(prefix: "/a/").end == Array("/a0".utf8))
        #expect(EtcdRange(prefix: "a\u{7f}").end == [0x61, 0x80])
    }

    @Test func transactionsAreWrittenAsEtcdReadsThem() {
        var writer = ProtobufWriter()
        EtcdTransaction(key: "k", condition: .revision(0), action: .put([7], lease: 0)).write(to: &writer)
        // compare {target MOD, key "k", mod_revision 0}, success {put {k, 7}}, failure {range {k}}
        #expect(
            writer.bytes == [
                0x0a, 7, 0x10, 2, 0x1a, 1, 0x6b, 0x30, 0, 0x12, 8, 0x12, 6, 0x0a, 1, 0x6b, 0x12, 1, 7, 0x1a, 5, 0x0a, 3,
                0x0a, 1, 0x6b,
            ])
    }
}
