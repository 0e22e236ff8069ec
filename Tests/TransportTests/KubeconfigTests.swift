import Glibc
import KubeAPI
import Testing

@testable import Transport

@Suite struct KubeconfigTests {
    private let ours = Kubeconfig(
        server: "https://127.0.0.1:6443", certificateAuthority: Array("ca".utf8),
        clientCertificate: Array("crt".utf8), clientKey: Array("key".utf8))

    @Test func roundTrips() throws {
        let again = try Kubeconfig.parse(ours.serialized())
        #expect(again.document == ours.document)
        #expect(again.currentContext == "swiftlet")
        #expect(again.document["users"][0]["user"]["client-key-data"] == "a2V5")
    }

    @Test func mergesIntoAFileAndKeepsTheRest() throws {
        let path = "/tmp/kubeconfig-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        defer { unlink(path) }
        let existing: JSON = [
            "apiVersion": "v1", "kind": "Config", "preferences": ["colors": true],
            "clusters": [
                ["name": "other", "cluster": ["server": "https://other"]],
                ["name": "swiftlet", "cluster": ["server": "https://old"]],
            ], "current-context": "other",
        ]
        try PrivateFile.write(existing.serialized(), to: path, mode: 0o644)
        try ours.merge(intoFile: path)
        let merged = try Kubeconfig.load(path).document
        #expect(merged["clusters"].items.map { $0["name"].stringValue } == ["other", "swiftlet"])
        #expect(merged["clusters"][1]["cluster"]["server"] == "https://127.0.0.1:6443")
        #expect(merged["contexts"].items.count == 1)
        #expect(merged["preferences"]["colors"] == true)
        #expect(merged["current-context"] == "swiftlet")
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    @Test func resolvesAContext() throws {
        let plain = try Kubeconfig(document: [
            "clusters": [["name": "c", "cluster": ["server": "http://h:1"]]],
            "users": [["name": "u", "user": ["token": "t"]]],
            "contexts": [["name": "x", "context": ["cluster": "c", "user": "u", "namespace": "n"]]],
        ])
        let connection = try plain.connection(context: "x")
        #expect(connection.server == "http://h:1" && connection.bearerToken == "t" && connection.namespace == "n")
        #expect(throws: Kubeconfig.Invalid.self) { try plain.connection() }
        #expect(throws: Kubeconfig.Invalid.self) { try plain.connection(context: "y") }
        #expect(throws: TransportError.self) { try ours.connection() }  // no certificates in it
    }

    @Test(arguments: [JSON.array([]), ["clusters": "x"]])
    func refusesWhatIsNoKubeconfig(_ document: JSON) {
        #expect(throws: Kubeconfig.Invalid.self) { try Kubeconfig(document: document) }
    }
}
