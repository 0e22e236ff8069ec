import KubeAPI
import Testing

@testable import DNS

/// What names a cluster has, and how questions for them are answered (kubernetes/dns, docs/specification.md).
@Suite struct ResponderTests {
    /// A cluster with one service of each kind.
    struct TestCluster {
        var book: ServiceBook
        var responder: Responder

        init() throws {
            let domain = try #require(DNSName("cluster.local"))
            book = ServiceBook(domain: domain)
            responder = Responder(zone: ClusterZone(domain: domain), ranges: ["10.96.0.0/16"].compactMap(CIDR.init))
            responder.zone.set("apex", book.apex(server: try #require(IPAddress("10.96.0.10"))))
            responder.zone.set("namespace default", book.records(namespace: "default"))
            set(
                service: [
                    "metadata": ["name": "web", "namespace": "default"],
                    "spec": [
                        "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00::5"],
                        "ports": [["name": "http", "port": 80], ["name": "dns", "port": 53, "protocol": "UDP"]],
                    ],
                ])
            set(
                service: [
                    "metadata": ["name": "db", "namespace": "default"],
                    "spec": ["clusterIP": "None", "ports": [["name": "sql", "port": 5432]]],
                ])
            set(
                slice: Self.slice([("10.244.0.7", "db-0", true), ("10.244.0.8", nil, true), ("10.244.0.9", nil, false)])
            )
            set(
                service: [
                    "metadata": ["name": "out", "namespace": "default"],
                    "spec": ["type": "ExternalName", "externalName": "www.example.org"],
                ])
            set(
                service: [
                    "metadata": ["name": "alias", "namespace": "default"],
                    "spec": ["type": "ExternalName", "externalName": "web.default.svc.cluster.local"],
                ])
        }

        static func slice(_ endpoints: [(String, String?, Bool)]) -> JSON {
            [
                "metadata": [
                    "name": "db-1", "namespace": "default", "labels": ["kubernetes.io/service-name": "db"],
                ],
                "ports": [["name": "sql", "port": 5432, "protocol": "TCP"]],
                "endpoints": .array(
                    endpoints.map { address, hostname, ready in
                        var endpoint: JSON = [
                            "addresses": [.string(address)], "conditions": ["ready": .bool(ready)],
                        ]
                        if let hostname { endpoint["hostname"] = .string(hostname) }
                        return endpoint
                    }),
            ]
        }

        mutating func set(service: JSON) {
            let (key, records) = book.set(service: service)
            responder.zone.set("service " + key, records)
        }

        mutating func set(slice: JSON) {
            for (key, records) in book.set(slice: slice) { responder.zone.set("service " + key, records) }
        }

        mutating func remove(service: JSON) { responder.zone.remove("service " + book.remove(service: service)) }
    }

    @Test func aServiceHasItsVirtualAddresses() throws {
        var cluster = try TestCluster()
        let four = try cluster.responder.ask("web.default.svc.cluster.local")
        #expect(four.code == ResponseCode.success && four.isAuthoritative && four.id == 7)
        #expect(
            four.answers == [.init(name: "web.default.svc.cluster.local", type: 1, ttl: 5, text: "10.96.0.5")])
        let six = try cluster.responder.ask("web.default.svc.cluster.local", RecordType.aaaa)
        #expect(six.answers.map(\.text) == ["fd00::5"])
    }

    @Test func theQuestionKeepsItsSpelling() throws {
        var cluster = try TestCluster()
        let query = TestQuery.bytes("WEB.default.SVC.cluster.local")
        let answer = try TestMessage(cluster.responder.verdict(query).1)
        #expect(answer.answers.map(\.text) == ["10.96.0.5"])
        #expect(answer.question == Array(query[12...]))
    }

    @Test func namedPortsHaveServiceRecords() throws {
        var cluster = try TestCluster()
        let http = try cluster.responder.ask("_http._tcp.web.default.svc.cluster.local", RecordType.srv)
        #expect(http.answers.map(\.text) == ["0 100 80 web.default.svc.cluster.local"])
        #expect(http.additionals.map(\.text) == ["10.96.0.5", "fd00::5"])
        let udp = try cluster.responder.ask("_dns._udp.web.default.svc.cluster.local", RecordType.srv)
        #expect(udp.answers.map(\.text) == ["0 100 53 web.default.svc.cluster.local"])
        let wrong = try cluster.responder.ask("_dns._tcp.web.default.svc.cluster.local", RecordType.srv)
        #expect(wrong.code == ResponseCode.nameError)
    }

    @Test func aHeadlessServiceHasItsReadyEndpoints() throws {
        var cluster = try TestCluster()
        let all = try cluster.responder.ask("db.default.svc.cluster.local")
        #expect(Set(all.answers.map(\.text)) == ["10.244.0.7", "10.244.0.8"])
        #expect(
            try cluster.responder.ask("db-0.db.default.svc.cluster.local").answers.map(\.text) == ["10.244.0.7"])
        #expect(
            try cluster.responder.ask("10-244-0-8.db.default.svc.cluster.local").answers.map(\.text)
                == ["10.244.0.8"])
        let services = try cluster.responder.ask("_sql._tcp.db.default.svc.cluster.local", RecordType.srv)
        #expect(
            Set(services.answers.map(\.text)) == [
                "0 50 5432 db-0.db.default.svc.cluster.local", "0 50 5432 10-244-0-8.db.default.svc.cluster.local",
            ])
        #expect(Set(services.additionals.map(\.text)) == ["10.244.0.7", "10.244.0.8"])
    }

    @Test func endpointsComeInTurns() throws {
        var cluster = try TestCluster()
        let firsts = try (0..<8).map { _ in
            try #require(cluster.responder.ask("db.default.svc.cluster.local").answers.first).text
        }
        #expect(Set(firsts) == ["10.244.0.7", "10.244.0.8"])
    }

    @Test func namesFollowTheirEndpoints() throws {
        var cluster = try TestCluster()
        cluster.set(slice: TestCluster.slice([("10.244.0.9", nil, true)]))
        #expect(try cluster.responder.ask("db.default.svc.cluster.local").answers.map(\.text) == ["10.244.0.9"])
        #expect(try cluster.responder.ask("db-0.db.default.svc.cluster.local").code == ResponseCode.nameError)
        cluster.set(slice: TestCluster.slice([]))
        let none = try cluster.responder.ask("db.default.svc.cluster.local")
        #expect(none.code == ResponseCode.success && none.answers.isEmpty)
        cluster.remove(service: ["metadata": ["name": "db", "namespace": "default"]])
        #expect(try cluster.responder.ask("db.default.svc.cluster.local").code == ResponseCode.nameError)
        #expect(
            try cluster.responder.ask("_tcp.db.default.svc.cluster.local").code == ResponseCode.nameError)
        // What is above stays: others live there.
        #expect(try cluster.responder.ask("default.svc.cluster.local").code == ResponseCode.success)
    }

    /// Names go with those below them, in whichever order they come: often, as the order is by chance.
    @Test func servicesComeAndGo() throws {
        var cluster = try TestCluster()
        let names = cluster.responder.zone.table.count
        for number in 0..<200 {
            let service: JSON = [
                "metadata": ["name": .string("s\(number)"), "namespace": "default"],
                "spec": [
                    "clusterIP": "10.96.1.1",
                    "ports": [["name": "a", "port": 1], ["name": "b", "port": 2, "protocol": "UDP"]],
                ],
            ]
            cluster.set(service: service)
            #expect(try cluster.responder.ask("s\(number).default.svc.cluster.local").answers.count == 1)
            cluster.remove(service: service)
            #expect(
                try cluster.responder.ask("s\(number).default.svc.cluster.local").code == ResponseCode.nameError)
        }
        #expect(cluster.responder.zone.table.count == names)
    }

    @Test func addressesHaveNames() throws {
        var cluster = try TestCluster()
        #expect(
            try cluster.responder.ask("5.0.96.10.in-addr.arpa", RecordType.ptr).answers.map(\.text)
                == ["web.default.svc.cluster.local"])
        #expect(
            try cluster.responder.ask("7.0.244.10.in-addr.arpa", RecordType.ptr).answers.map(\.text)
                == ["db-0.db.default.svc.cluster.local"])
        // Ours, but nobody's.
        #expect(try cluster.responder.ask("6.0.96.10.in-addr.arpa", RecordType.ptr).code == ResponseCode.nameError)
        // Not ours.
        let (verdict, _) = cluster.responder.verdict(TestQuery.bytes("8.8.8.8.in-addr.arpa", RecordType.ptr))
        #expect(verdict != .ignore && verdict != .reply(0))
        guard case .forward(let outside) = verdict else {
            Issue.record("answered by ourselves")
            return
        }
        #expect(outside.name == DNSName("8.8.8.8.in-addr.arpa"))
    }

    @Test func podsHaveNamesByAddress() throws {
        var cluster = try TestCluster()
        #expect(try cluster.responder.ask("10-244-0-3.default.pod.cluster.local").answers.map(\.text) == ["10.244.0.3"])
        #expect(
            try cluster.responder.ask("10-244-0-3.nowhere.pod.cluster.local").code == ResponseCode.nameError)
        #expect(try cluster.responder.ask("web.default.pod.cluster.local").code == ResponseCode.nameError)
    }

    @Test func whatIsNotSaysSoWithAnAuthority() throws {
        var cluster = try TestCluster()
        let nothing = try cluster.responder.ask("none.default.svc.cluster.local")
        #expect(nothing.code == ResponseCode.nameError && nothing.isAuthoritative)
        #expect(nothing.authorities.map(\.name) == ["cluster.local"])
        #expect(nothing.authorities.map(\.type) == [RecordType.soa])
        let noSuchType = try cluster.responder.ask("web.default.svc.cluster.local", RecordType.mx)
        #expect(noSuchType.code == ResponseCode.success && noSuchType.answers.isEmpty)
        #expect(noSuchType.authorities.count == 1)
    }

    @Test func externalNamesLeadOutside() throws {
        var cluster = try TestCluster()
        let (verdict, _) = cluster.responder.verdict(TestQuery.bytes("out.default.svc.cluster.local"))
        guard case .forward(let outside) = verdict else {
            Issue.record("answered by ourselves")
            return
        }
        #expect(outside.name == DNSName("www.example.org") && outside.type == RecordType.a)
        #expect(outside.aliases.count == 1)
        // Who asks for the alias itself has it from us.
        let alias = try cluster.responder.ask("out.default.svc.cluster.local", RecordType.cname)
        #expect(alias.answers.map(\.text) == ["www.example.org"])
    }

    @Test func externalNamesOfTheClusterAreFollowed() throws {
        var cluster = try TestCluster()
        let answer = try cluster.responder.ask("alias.default.svc.cluster.local")
        #expect(answer.code == ResponseCode.success)
        #expect(answer.answers.map(\.text) == ["web.default.svc.cluster.local", "10.96.0.5"])
        #expect(answer.answers.last?.name == "web.default.svc.cluster.local")
    }

    @Test func aliasesInACircleFail() throws {
        var cluster = try TestCluster()
        for (one, other) in [("a", "b"), ("b", "a")] {
            cluster.set(
                service: [
                    "metadata": ["name": .string(one), "namespace": "default"],
                    "spec": [
                        "type": "ExternalName", "externalName": .string("\(other).default.svc.cluster.local"),
                    ],
                ])
        }
        #expect(try cluster.responder.ask("a.default.svc.cluster.local").code == ResponseCode.serverFailure)
    }

    @Test func whatDoesNotFitIsCutWithAMark() throws {
        var cluster = try TestCluster()
        cluster.set(slice: TestCluster.slice((1...60).map { ("10.244.1.\($0)", nil, true) }))
        let plain = try cluster.responder.ask("db.default.svc.cluster.local")
        #expect(plain.isTruncated && (1..<60).contains(plain.answers.count))
        let wide = try cluster.responder.ask("db.default.svc.cluster.local", size: 4096)
        #expect(!wide.isTruncated && wide.answers.count == 60)
        #expect(wide.additionals.map(\.type) == [RecordType.opt])
        let (_, stream) = cluster.responder.verdict(
            TestQuery.bytes("db.default.svc.cluster.local"), isStream: true)
        #expect(try TestMessage(stream).answers.count == 60)
    }

    @Test func theZoneTellsOfItself() throws {
        var cluster = try TestCluster()
        #expect(try cluster.responder.ask("dns-version.cluster.local", RecordType.txt).answers.map(\.text) == ["1.1.0"])
        #expect(try cluster.responder.ask("cluster.local", RecordType.soa).answers.count == 1)
        #expect(
            try cluster.responder.ask("cluster.local", RecordType.ns).answers.map(\.text) == ["ns.dns.cluster.local"])
        #expect(try cluster.responder.ask("ns.dns.cluster.local").answers.map(\.text) == ["10.96.0.10"])
    }

    // MARK: what is no question

    @Test func answersAndFragmentsAreIgnored() throws {
        var cluster = try TestCluster()
        var answer = TestQuery.bytes("web.default.svc.cluster.local")
        answer[2] |= 0x80
        #expect(cluster.responder.verdict(answer).0 == .ignore)
        #expect(cluster.responder.verdict(Array(answer.prefix(11))).0 == .ignore)
        #expect(cluster.responder.verdict([]).0 == .ignore)
    }

    @Test func malformedQuestionsAreRefused() throws {
        var cluster = try TestCluster()
        let query = TestQuery.bytes("web.default.svc.cluster.local")
        for cut in 12..<query.count {
            let answer = try TestMessage(cluster.responder.verdict(Array(query.prefix(cut))).1)
            #expect(answer.code == ResponseCode.formatError && answer.id == 7, "cut to \(cut)")
        }
        var two = query
        two[5] = 2
        #expect(try TestMessage(cluster.responder.verdict(two).1).code == ResponseCode.formatError)
        var pointer = query
        pointer[12] = 0xc0
        #expect(try TestMessage(cluster.responder.verdict(pointer).1).code == ResponseCode.formatError)
        var update = query
        update[2] |= 0x28
        #expect(try TestMessage(cluster.responder.verdict(update).1).code == ResponseCode.notImplemented)
        var chaos = query
        chaos[chaos.count - 1] = 3
        #expect(try TestMessage(cluster.responder.verdict(chaos).1).code == ResponseCode.refused)
    }

    @Test func anotherVersionOfEDNSIsRefused() throws {
        var cluster = try TestCluster()
        var query = TestQuery.bytes("web.default.svc.cluster.local", size: 1232)
        query[query.count - 5] = 1
        let answer = try TestMessage(cluster.responder.verdict(query).1)
        #expect(answer.code == ResponseCode.badVersion & 0xf && answer.answers.isEmpty)
        // The upper bits of BADVERS stand in the first byte of the OPT record's time.
        #expect(answer.additionals.map { $0.ttl >> 24 } == [1])
    }

    @Test func noBytesCrashIt() throws {
        var cluster = try TestCluster()
        var generator = SystemRandomNumberGenerator()
        let query = TestQuery.bytes("web.default.svc.cluster.local", size: 1232)
        for _ in 0..<20_000 {
            var bytes = query
            for _ in 0..<Int.random(in: 1...6) {
                bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: 0...255, using: &generator)
            }
            let (verdict, answer) = cluster.responder.verdict(Array(bytes.prefix(Int.random(in: 0...bytes.count))))
            if case .reply = verdict { _ = try TestMessage(answer) }
        }
    }
}
