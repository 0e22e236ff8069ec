import Glibc
import KubeAPI
import Logging
import Testing

@testable import ProxyDataPath

/// The whole forwarder on loopback addresses of this process: real sockets, real threads.
@Suite struct ForwarderTests {
    private static let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private let address: IPAddress

    init() throws {
        // One for each test: they run at the same time.
        address = IPAddress(ipv4: 0x7f5a_0000 | UInt32.random(in: 1...0xfffe))
    }

    private func forwarder(_ change: (inout ForwarderLimits) -> Void = { _ in }) throws -> Forwarder {
        var limits = ForwarderLimits(loops: 2, descriptors: 400, connections: 100, flowsPerLoop: 50)
        change(&limits)
        return try Forwarder(nodeAddress: address, limits: limits, log: Self.log)
    }

    private func port(
        _ backends: [(IPAddress, UInt16)], front: UInt16 = 4000, proto: TransportProtocol = .tcp, affinity: Int? = nil,
        name: String = "a/b"
    ) -> ServiceChange {
        ServiceChange(
            service: name,
            ports: [
                ServicePortState(
                    name: ServicePortName(service: name, port: "p", proto: proto),
                    fronts: [Front(.address(address, front), proto, isExternal: false)],
                    backends: backends.map { Backend(address: $0.0, port: $0.1) }.sorted(), affinitySeconds: affinity)
            ])
    }

    @Test func carriesConnectionsToAllEndpoints() throws {
        let (one, two) = (try EchoServer(address, name: "1"), try EchoServer(address, name: "2"))
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        try forwarder.apply([port([one.place, two.place])])
        #expect(forwarder.takeProblems() == [])
        var names: Set<String> = []
        for _ in 0..<64 { names.insert(try TestClient(address, 4000).ask("x")) }
        #expect(names == ["1x", "2x"])
        #expect(eventually { forwarder.counts.accepted == 64 })
    }

    @Test func refusesWhereThereIsNoEndpointAndServesWhenThereIs() throws {
        let server = try EchoServer(address, name: "s")
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        try forwarder.apply([port([])])
        #expect(throws: TestClient.Refused.self) { try TestClient(address, 4000) }
        try forwarder.apply([port([server.place])])
        #expect(try TestClient(address, 4000).ask("x") == "sx")
        try forwarder.apply([port([])])
        #expect(throws: TestClient.Refused.self) { try TestClient(address, 4000) }
    }

    @Test func establishedConnectionsLiveOnWhenTheirEndpointLeaves() throws {
        let (one, two) = (try EchoServer(address, name: "1"), try EchoServer(address, name: "2"))
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        try forwarder.apply([port([one.place])])
        let client = try TestClient(address, 4000)
        #expect(try client.ask("x") == "1x")
        try forwarder.apply([port([two.place])])
        #expect(try client.ask("y") == "1y")
        #expect(try TestClient(address, 4000).ask("z") == "2z")
    }

    /// For those who wait before they end an endpoint.
    @Test func tellsHowManyConnectionsAnEndpointHas() throws {
        let other = IPAddress(ipv4: 0x7f5b_0001)
        let server = try EchoServer(address, name: "1")
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        try forwarder.apply([port([server.place])])
        #expect(forwarder.openConnections(to: [address]) == 0)
        let clients = try (0..<3).map { _ in try TestClient(address, 4000) }
        for client in clients { #expect(try client.ask("x") == "1x") }
        // Also when it serves no more.
        try forwarder.apply([port([])])
        #expect(forwarder.openConnections(to: [other, address]) == 3)
        #expect(forwarder.openConnections(to: [other]) == 0)
        // One that is closing has what it wanted.
        clients[0].shutdownWriting()
        #expect(eventually { forwarder.openConnections(to: [address]) == 2 })
        clients[1].close()
        #expect(eventually { forwarder.openConnections(to: [address]) == 1 })
    }

    @Test func triesOtherEndpointsBeforeTheFirstByte() throws {
        let alive = try EchoServer(address, name: "s")
        let dead = try (0..<3).map { _ in try EchoServer(address, name: "dead").closed() }
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        try forwarder.apply([port([alive.place] + dead)])
        for _ in 0..<50 { #expect(try TestClient(address, 4000).ask("x") == "sx") }
        #expect(eventually { forwarder.counts.failovers > 0 })
        #expect(forwarder.counts.unreachable == 0)
        // With none left the client is told at once.
        try forwarder.apply([port(dead)])
        #expect(throws: TestClient.Refused.self) { try TestClient(address, 4000).ask("x") }
        #expect(eventually { forwarder.counts.unreachable >= 1 })
    }

    @Test func passesOnHalfClosesAndResets() throws {
        let server = try EchoServer(address, name: "s", answersAtEnd: true)
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        try forwarder.apply([port([server.place])])
        let client = try TestClient(address, 4000)
        client.send("all of it")
        client.shutdownWriting()
        #expect(client.readToEnd() == "sall of it")
        // The other way: a server that resets.
        let rude = try EchoServer(address, name: "r", resets: true)
        try forwarder.apply([port([rude.place])])
        let other = try TestClient(address, 4000)
        other.send("x")
        #expect(other.waitForReset())
    }

    @Test func affinityHoldsOverAllLoops() throws {
        let servers = try (0..<5).map { try EchoServer(address, name: "\($0)") }
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        try forwarder.apply([port(servers.map(\.place), affinity: 100)])
        var names: Set<String> = []
        for _ in 0..<40 { names.insert(try TestClient(address, 4000).ask("")) }
        #expect(names.count == 1)
    }

    @Test func refusesWhatIsOverItsBound() throws {
        let server = try EchoServer(address, name: "s")
        let forwarder = try forwarder { $0.connections = 5 }
        defer { forwarder.stop() }
        try forwarder.apply([port([server.place])])
        var clients = try (0..<5).map { _ in try TestClient(address, 4000) }
        for client in clients { #expect(try client.ask("x") == "sx") }
        #expect(throws: TestClient.Refused.self) { try TestClient(address, 4000).ask("x") }
        #expect(eventually { forwarder.counts.refusedByLimit == 1 })
        #expect(try clients[0].ask("y") == "sy")
        // One leaves, and one is let in: the forwarder learns of it a moment later.
        clients.removeLast().close()
        #expect(eventually { (try? TestClient(address, 4000).ask("z")) == "sz" })
    }

    @Test func idleConnectionsEnd() throws {
        let server = try EchoServer(address, name: "s")
        let forwarder = try forwarder {
            $0.idleSeconds = 0
            $0.sweepSeconds = 0
        }
        defer { forwarder.stop() }
        try forwarder.apply([port([server.place])])
        let client = try TestClient(address, 4000)
        #expect(client.waitForReset())
        #expect(eventually { forwarder.counts.idleEnds == 1 && forwarder.counts.connections == 0 })
    }

    @Test func carriesDatagramsByFlows() throws {
        let (one, two) = (
            try EchoServer(address, name: "1", isStream: false), try EchoServer(address, name: "2", isStream: false)
        )
        let forwarder = try forwarder { $0.flowsPerLoop = 4 }
        defer { forwarder.stop() }
        try forwarder.apply([port([one.place, two.place], proto: .udp)])
        let client = try TestClient(address, 4000, isStream: false)
        let first = try client.ask("a")
        for _ in 0..<20 { #expect(try client.ask("a") == first) }
        var names: Set<String> = []
        for _ in 0..<40 { names.insert(try TestClient(address, 4000, isStream: false).ask("x")) }
        #expect(names == ["1x", "2x"])
        #expect(forwarder.counts.flows <= 8)
        #expect(eventually { forwarder.counts.flowsEvicted >= 40 - 8 })
        // The flow's backend goes: the next datagram finds the other.
        try forwarder.apply([port([(first == "1a" ? two : one).place], proto: .udp)])
        #expect(try client.ask("a") != first)
    }

    @Test func anAddressGoesFromOneServiceToAnother() throws {
        let (one, two) = (try EchoServer(address, name: "1"), try EchoServer(address, name: "2"))
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        try forwarder.apply([port([one.place], name: "a/one")])
        try forwarder.apply([port([two.place], name: "a/two")])
        #expect(forwarder.takeProblems().count == 1)
        #expect(forwarder.wantsRetry)
        #expect(try TestClient(address, 4000).ask("x") == "1x")
        try forwarder.apply([ServiceChange(service: "a/one", ports: [])])
        #expect(!forwarder.wantsRetry)
        #expect(try TestClient(address, 4000).ask("x") == "2x")
    }

    @Test func nodePortsFollowTheNodesAddresses() throws {
        let server = try EchoServer(address, name: "s")
        let other = try #require(address.advanced(by: 65_536))
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        var change = port([server.place])
        var state = change.ports[0]
        state.fronts = [Front(.nodePort(4001), .tcp, isExternal: true)]
        change = ServiceChange(service: change.service, ports: [state])
        try forwarder.apply([change])
        #expect(try TestClient(address, 4001).ask("x") == "sx")
        #expect(throws: TestClient.Refused.self) { try TestClient(other, 4001) }
        forwarder.setNodePortAddresses([other])
        try forwarder.apply([])
        #expect(try TestClient(other, 4001).ask("x") == "sx")
        #expect(throws: TestClient.Refused.self) { try TestClient(address, 4001) }
    }

    private func local(_ place: Front.Place, sources: [CIDR]? = nil) -> Front {
        Front(place, .tcp, isExternal: true, isLocal: true, masquerades: false, sources: sources)
    }

    @Test func localPoliciesGiveClientsOutsideTheEndpointsOfThisNode() throws {
        let (here, away) = (try EchoServer(address, name: "here"), try EchoServer(address, name: "away"))
        func apply(_ forwarder: Forwarder, here isHere: Bool) throws {
            let all = [here, away].map { Backend(address: $0.place.0, port: $0.place.1) }
            let state = ServicePortState(
                name: ServicePortName(service: "a/b", port: "", proto: .tcp), fronts: [local(.address(address, 4000))],
                backends: all, localBackends: isHere ? [all[0]] : [], hasEndpoints: true)
            try forwarder.apply([ServiceChange(service: "a/b", ports: [state])])
        }
        func names() throws -> Set<String> {
            Set(try (0..<40).map { _ in try TestClient(address, 4000).ask("") })
        }
        // Clients of this suite have the loopback's own address, which is outside ...
        var limits = ForwarderLimits(loops: 1, descriptors: 400, connections: 100, flowsPerLoop: 50)
        limits.spinNanos = 0
        let elsewhere = try #require(address.advanced(by: 65_536))
        let forwarder = try Forwarder(nodeAddress: elsewhere, limits: limits, log: Self.log)
        defer { forwarder.stop() }
        try apply(forwarder, here: true)
        #expect(try names() == ["here"])
        try apply(forwarder, here: false)
        #expect(throws: TestClient.Refused.self) { try TestClient(address, 4000).ask("") }
        // ... unless their range is that of pods: they reach all endpoints.
        let inside = try Forwarder(
            nodeAddress: elsewhere, clusterRanges: [try #require(CIDR("127.0.0.0/8"))], limits: limits, log: Self.log)
        defer { inside.stop() }
        forwarder.stop()
        try apply(inside, here: false)
        #expect(try names() == ["here", "away"])
    }

    @Test func sourceRangesAreCheckedWhenAClientIsAccepted() throws {
        let server = try EchoServer(address, name: "s")
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        func apply(_ sources: [String]) throws {
            let front = Front(
                .address(address, 4000), .tcp, isExternal: true, sources: sources.compactMap { CIDR($0) })
            let state = ServicePortState(
                name: ServicePortName(service: "a/b", port: "", proto: .tcp), fronts: [front],
                backends: [Backend(address: server.place.0, port: server.place.1)])
            try forwarder.apply([ServiceChange(service: "a/b", ports: [state])])
        }
        try apply(["192.0.2.0/24"])
        #expect(throws: TestClient.Refused.self) { try TestClient(address, 4000).ask("x") }
        #expect(eventually { forwarder.counts.refusedBySource == 1 })
        try apply(["192.0.2.0/24", "127.0.0.0/8"])
        #expect(try TestClient(address, 4000).ask("x") == "sx")
        try apply([])
        #expect(throws: TestClient.Refused.self) { try TestClient(address, 4000).ask("x") }
    }

    @Test func saysWhatItDoes() throws {
        let server = try EchoServer(address, name: "s")
        let forwarder = try forwarder()
        defer { forwarder.stop() }
        try forwarder.apply([port([server.place])])
        _ = try TestClient(address, 4000).ask("x")
        #expect(eventually { forwarder.metricsText.contains("\nswiftlet_proxy_userspace_connections_total 1\n") })
        #expect(forwarder.metricsText.contains("\nswiftlet_proxy_userspace_connection_limit 100\n"))
    }

    @Test func nothingIsLeftAfterItsEnd() throws {
        let server = try EchoServer(address, name: "s")
        let forwarder = try forwarder()
        try forwarder.apply([port([server.place]), port([server.place], front: 4002, proto: .udp, name: "a/c")])
        let client = try TestClient(address, 4000)
        #expect(try client.ask("x") == "sx")
        forwarder.stop()
        #expect(client.waitForReset())
        #expect(throws: TestClient.Refused.self) { try TestClient(address, 4000) }
        #expect(forwarder.counts.connections == 0)
        // Told once more it does not hang.
        forwarder.stop()
    }

    private func eventually(_ condition: () -> Bool) -> Bool {
        for _ in 0..<3_000 {
            if condition() { return true }
            usleep(10_000)
        }
        return false
    }
}
