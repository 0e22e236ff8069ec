import Crypto
import Glibc
import KubeAPI
import Logging
import Synchronization
import Testing
import Transport
import X509

@testable import ControlPlane

/// A data directory that goes when the test is over, and a clock that the test sets.
final class PKIFixture: Sendable {
    let directory: String
    private let clock = Mutex(Timestamp.now())
    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() { directory = "/tmp/pki-test-\(getpid())-\(UInt64.random(in: 0...UInt64.max))" }

    deinit {
        for name in PKIIdentity.allCases.map(\.rawValue) + ["ca"] {
            unlink("\(directory)/pki/\(name).crt")
            unlink("\(directory)/pki/\(name).key")
        }
        unlink("\(directory)/admin.kubeconfig")
        rmdir("\(directory)/pki")
        rmdir(directory)
    }

    func advance(days: Int) { clock.withLock { $0 += .seconds(86_400 * days) } }

    func open(names: [String] = [], addresses: [String] = ["10.0.0.5", "10.96.0.1"], node: String = "node-1") throws
        -> ClusterPKI
    {
        try ClusterPKI(
            dataDir: directory,
            profiles: CertificateProfiles(
                nodeName: node, serverNames: names, addresses: addresses.compactMap { IPAddress($0) }),
            securePort: 6443, log: Self.quiet, now: { [self] in clock.withLock { $0 } })
    }

    func read(_ file: String) throws -> [UInt8] { try PrivateFile.read("\(directory)/pki/\(file)") }
    func write(_ text: String, _ file: String) throws {
        try PrivateFile.write(Array(text.utf8), to: "\(directory)/pki/\(file)")
    }
    func remove(_ file: String) { unlink("\(directory)/pki/\(file)") }

    func certificate(_ file: String) throws -> Certificate {
        try Certificate(pemEncoded: String(decoding: read(file), as: UTF8.self))
    }

    func files() throws -> [String: [UInt8]] {
        var all: [String: [UInt8]] = [:]
        for name in PKIIdentity.allCases.map(\.rawValue) + ["ca"] {
            for suffix in ["crt", "key"] { all["\(name).\(suffix)"] = try read("\(name).\(suffix)") }
        }
        return all
    }
}

@Suite struct ClusterPKITests {
    @Test func makesEverythingOnceAndKeepsIt() throws {
        let fixture = PKIFixture()
        _ = try fixture.open()
        let first = try fixture.files()
        for name in first.keys {
            var status = stat()
            #expect(stat("\(fixture.directory)/pki/\(name)", &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600, "\(name)")
        }
        var status = stat()
        #expect(stat("\(fixture.directory)/pki", &status) == 0 && status.st_mode & 0o777 == 0o700)
        #expect(stat("\(fixture.directory)/admin.kubeconfig", &status) == 0 && status.st_mode & 0o777 == 0o600)
        _ = try fixture.open()
        #expect(try fixture.files() == first)
    }

    @Test func saysWhoIsWho() throws {
        let fixture = PKIFixture()
        _ = try fixture.open(names: ["api.example"])
        let expected: [(PKIIdentity, name: String, group: String?)] = [
            (.admin, "swiftlet-admin", "system:masters"),
            (.apiserverKubeletClient, "kube-apiserver-kubelet-client", "system:masters"),
            (.node, "system:node:node-1", "system:nodes"), (.scheduler, "system:kube-scheduler", nil),
            (.controllerManager, "system:kube-controller-manager", nil), (.proxy, "system:kube-proxy", nil),
        ]
        for (identity, name, group) in expected {
            let certificate = try fixture.certificate("\(identity.rawValue).crt")
            let subject = "\(certificate.subject)"
            #expect(subject.contains("CN=\(name)"), "\(subject)")
            #expect(group.map { subject.contains("O=\($0)") } ?? !subject.contains("O="), "\(subject)")
            #expect(try certificate.extensions.extendedKeyUsage?.contains(.clientAuth) == true)
            #expect(try certificate.extensions.extendedKeyUsage?.contains(.serverAuth) == (identity == .node))
        }
        let names = try fixture.certificate("apiserver.crt").extensions.subjectAlternativeNames.map { Array($0) } ?? []
        let text = "\(names)"
        for name in [
            "localhost", "node-1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local", "api.example",
        ] {
            #expect(names.contains(.dnsName(name)), "\(text)")
        }
        #expect(names.count == 7 + 4)
    }

    @Test func renewsLeavesAtTwoThirdsOfTheirLifeAndKeepsTheirKeys() throws {
        let fixture = PKIFixture()
        let pki = try fixture.open()
        let first = try fixture.files()
        fixture.advance(days: 240)
        #expect(try pki.renewIfNeeded().isEmpty)
        fixture.advance(days: 5)
        #expect(try Set(pki.renewIfNeeded()) == Set(PKIIdentity.allCases))
        let second = try fixture.files()
        for (name, bytes) in second { #expect((bytes == first[name]) == (name.hasSuffix("key") || name == "ca.crt")) }
        #expect(pki.pair(.admin).certificate == second["admin.crt"])
        #expect(try pki.renewIfNeeded().isEmpty)
        // The administrator's kubeconfig follows.
        let config = try Kubeconfig.load(pki.adminKubeconfigPath).document
        #expect(
            config["users"][0]["user"]["client-certificate-data"].string
                == second["admin.crt"].map { Base64.encode($0) })
        // And so at start.
        fixture.advance(days: 300)
        _ = try fixture.open()
        #expect(try fixture.files()["node.crt"] != second["node.crt"])
    }

    @Test func reissuesWhatIsToSayOtherNames() throws {
        let fixture = PKIFixture()
        _ = try fixture.open()
        let first = try fixture.files()
        _ = try fixture.open(addresses: ["10.0.0.6", "10.96.0.1"])
        let second = try fixture.files()
        #expect(Set(second.keys.filter { second[$0] != first[$0] }) == ["apiserver.crt", "node.crt", "kubelet.crt"])
        _ = try fixture.open(addresses: ["10.0.0.6", "10.96.0.1"], node: "node-2")
        let third = try fixture.files()
        #expect(Set(third.keys.filter { third[$0] != second[$0] }) == ["apiserver.crt", "kubelet.crt", "node.crt"])
    }

    @Test(arguments: ["ca.crt", "ca.key", "apiserver.crt", "node.key"])
    func saysWhichFileIsCorrupt(file: String) throws {
        let fixture = PKIFixture()
        _ = try fixture.open()
        var before = try fixture.files()
        for damage in ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            try fixture.write(damage, file)
            before[file] = Array(damage.utf8)
            #expect {
                try fixture.open()
            } throws: { "\($0)".hasPrefix("cannot use \(fixture.directory)/pki/\(file): it is not ") }
            #expect(try fixture.files() == before)
        }
    }

    @Test func refusesPairsThatDoNotMatch() throws {
        let fixture = PKIFixture()
        _ = try fixture.open()
        let other = PKIFixture()
        _ = try other.open()
        try fixture.write(String(decoding: other.read("ca.key"), as: UTF8.self), "ca.key")
        #expect {
            try fixture.open()
        } throws: { "\($0)" == "cannot use \(fixture.directory)/pki/ca.crt: the certificate belongs to another key" }
        // A whole CA of somebody else: the leaves are not its.
        try fixture.write(String(decoding: other.read("ca.crt"), as: UTF8.self), "ca.crt")
        #expect { try fixture.open() } throws: { "\($0)".contains("is not signed by \(fixture.directory)/pki/ca.crt") }
    }

    @Test func aLostCAKeyIsAnErrorAndALostLeafIsMadeAnew() throws {
        let fixture = PKIFixture()
        _ = try fixture.open()
        let first = try fixture.files()
        for file in ["admin.crt", "node.key", "proxy.crt", "proxy.key"] { fixture.remove(file) }
        _ = try fixture.open()
        let second = try fixture.files()
        #expect(
            Set(second.keys.filter { second[$0] != first[$0] })
                == ["admin.crt", "node.crt", "node.key", "proxy.crt", "proxy.key"])
        fixture.remove("ca.key")
        #expect {
            try fixture.open()
        } throws: { "\($0)".contains("its key \(fixture.directory)/pki/ca.key is missing") }
        #expect(access("\(fixture.directory)/pki/ca.key", F_OK) != 0)
    }

    @Test func anExpiredCAIsAnError() throws {
        let fixture = PKIFixture()
        _ = try fixture.open()
        fixture.advance(days: 3_651)
        #expect { try fixture.open() } throws: { "\($0)".contains("ca.crt: it has expired at ") }
    }

    @Test func leavesDoNotOutliveTheCA() throws {
        let fixture = PKIFixture()
        _ = try fixture.open()
        fixture.advance(days: 3_600)
        _ = try fixture.open()
        #expect(try fixture.certificate("admin.crt").notValidAfter == fixture.certificate("ca.crt").notValidAfter)
    }
}

/// The PKI, the server and the client together.
@Suite struct MutualTLSTests {
    struct WhoAmI: HTTPHandler {
        let authenticator = Authenticator()
        func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
            switch authenticator.authenticate(request) {
            case .success(let user):
                response.respond(
                    status: 200, headers: [], body: Array("\(user.name) \(user.groups.joined(separator: ","))".utf8))
            case .failure(let error):
                response.respond(status: error.code, headers: [], body: error.json.serialized())
            }
        }
    }

    private func withServer(_ pki: ClusterPKI, _ body: (Int, EventLoops) async throws -> Void) async throws {
        let loops = EventLoops(count: 1)
        let server = HTTPServer(loops: loops, handler: WhoAmI(), tls: pki.serverTLS, log: PKIFixture.quiet)
        let port = try await server.listen(host: "127.0.0.1", port: 0)
        do {
            try await body(port, loops)
        } catch {
            await server.shutdown(grace: .milliseconds(100))
            await loops.shutdown()
            throw error
        }
        await server.shutdown(grace: .milliseconds(100))
        await loops.shutdown()
    }

    private func ask(_ port: Int, _ tls: ClientTLS, _ loops: EventLoops, host: String = "127.0.0.1") async throws
        -> String
    {
        let client = HTTPClient(loops: loops, tls: tls, log: PKIFixture.quiet)
        defer { client.shutdown() }
        let answer = try await client.send("GET", "https://\(host):\(port)/", timeout: .seconds(5))
        return "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))"
    }

    @Test func knowsClientsByTheirCertificates() async throws {
        let fixture = PKIFixture()
        let pki = try fixture.open()
        try await withServer(pki) { port, loops in
            let admin = try await ask(port, pki.clientTLS(.admin), loops)
            #expect(admin == "200 swiftlet-admin system:masters,system:authenticated")
            let node = try await ask(port, pki.clientTLS(.node), loops, host: "localhost")
            #expect(node == "200 system:node:node-1 system:nodes,system:authenticated")
            let nobody = try await ask(port, ClientTLS(authorities: pki.authority), loops)
            #expect(nobody == "200 system:anonymous system:unauthenticated")
        }
    }

    @Test func answers401ToACertificateOfAnotherCA() async throws {
        let fixture = PKIFixture()
        let pki = try fixture.open()
        let other = PKIFixture()
        let stranger = try other.open().pair(.admin)
        try await withServer(pki) { port, loops in
            let tls = try ClientTLS(
                authorities: pki.authority, certificateChain: stranger.certificate, privateKey: stranger.privateKey)
            let answer = try await ask(port, tls, loops)
            #expect(answer.hasPrefix("401 ") && answer.contains("\"message\":\"Unauthorized\""))
            // A server's certificate is none for clients.
            let server = pki.pair(.apiserver)
            let misused = try ClientTLS(
                authorities: pki.authority, certificateChain: server.certificate, privateKey: server.privateKey)
            #expect(try await ask(port, misused, loops).hasPrefix("401 "))
        }
    }

    @Test func clientsRefuseAServerOfAnotherCAOrName() async throws {
        let fixture = PKIFixture()
        let pki = try fixture.open()
        let other = PKIFixture()
        let otherCA = try other.open().authority
        try await withServer(pki) { port, loops in
            await #expect {
                try await ask(port, ClientTLS(authorities: otherCA), loops)
            } throws: {
                ($0 as? TransportError)?.code == .untrustedServer && "\($0)".hasSuffix("signed by unknown authority")
            }
            let misnamed = try ClientTLS(authorities: pki.authority, serverName: "example.com")
            await #expect(throws: TransportError.self) { try await ask(port, misnamed, loops) }
            let renamed = try ClientTLS(authorities: pki.authority, serverName: "kubernetes.default")
            #expect(try await ask(port, renamed, loops).hasPrefix("200 "))
            let insecure = try ClientTLS(authorities: otherCA, isInsecure: true)
            #expect(try await ask(port, insecure, loops).hasPrefix("200 "))
        }
    }

    @Test func newConnectionsSeeARenewedCertificate() async throws {
        let fixture = PKIFixture()
        let pki = try fixture.open()
        try await withServer(pki) { port, loops in
            let kept = HTTPClient(loops: loops, tls: try pki.clientTLS(.admin), log: PKIFixture.quiet)
            let before = try await kept.send("GET", "https://127.0.0.1:\(port)/")
            #expect(before.status == 200)
            fixture.advance(days: 245)
            try pki.renewIfNeeded()
            // The fixture's clock is ahead, so the new one is not valid yet by ours: who checks will say so.
            await #expect(throws: TransportError.self) { try await ask(port, pki.clientTLS(.admin), loops) }
            let after = try await kept.send("GET", "https://127.0.0.1:\(port)/")
            #expect(after.status == 200)
            kept.shutdown()
        }
    }

    @Test func anAdministratorsKubeconfigWorks() async throws {
        let fixture = PKIFixture()
        let pki = try fixture.open()
        try await withServer(pki) { port, loops in
            let config = pki.kubeconfig(.admin, server: "https://127.0.0.1:\(port)")
            let client = try Kubeconfig.parse(config.serialized()).client(loops: loops, log: PKIFixture.quiet)
            let answer = try await client.send(APIRequest(.get, "/"))
            #expect(String(decoding: answer.body, as: UTF8.self).hasPrefix("swiftlet-admin "))
            client.shutdown()
        }
    }
}
