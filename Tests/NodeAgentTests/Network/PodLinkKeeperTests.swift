import Glibc
import KubeAPI
import Testing

@testable import Kernel
@testable import NodeAgent

/// What is put back of pods' networks.
@Suite struct PodLinkKeeperTests {
    private let first = IPAddress(ipv4: 0x0af4_0005)
    private let second = IPAddress(ipv4: 0x0af4_0006)
    /// With an address of either family.
    private let dual = IPAddress(ipv4: 0x0af4_0007)
    private let sixth = IPAddress("fd00:10:244::7")
    private let node = InetAddress(ipv4: 0xc000_0202)

    private func link(_ address: IPAddress, index: Int32, isUp: Bool = true) throws -> Link {
        var message = NetlinkMessage(type: 16, flags: 0)
        message.append(UInt32(0))
        message.append(index)
        message.append(UInt32(isUp ? 1 : 0))
        message.append(UInt32(0))
        message.attribute(3, PodNetwork.linkName(tag: "abcd", address))
        return try #require(Link(message.bytes.dropFirst(16)))
    }
    private func route(_ address: IPAddress, index: Int32) throws -> Route {
        Route(
            to: try #require(InetAddress(bytes: address.bytes)), prefixLength: address.isIPv4 ? 32 : 128,
            linkIndex: index, source: address.isIPv4 ? node : nil)
    }
    private func plan(_ kept: [IPAddress], _ links: [Link], _ routes: [Route]) -> PodLinkKeeper.Plan {
        PodLinkKeeper.plan(
            tag: "abcd", kept: kept.map { PodAddresses($0, $0 == dual ? sixth : nil) },
            sources: NodeSources([IPAddress(ipv4: 0xc000_0202)]), links: links, routes: routes)
    }
    private func operations(_ plan: PodLinkKeeper.Plan) -> [String] {
        plan.batch.entries.map { "\($0.operation) \($0.subject)" }
    }

    @Test func nothingWhereAllIsThere() throws {
        let plan = plan([first], [try link(first, index: 7)], [try route(first, index: 7)])
        #expect(plan.batch.isEmpty && plan.mended.isEmpty && plan.lost.isEmpty)
    }

    @Test func aRouteThatIsGone() throws {
        let plan = plan(
            [first, second], [try link(first, index: 7), try link(second, index: 8)], [try route(second, index: 8)])
        #expect(plan.mended == [first])
        #expect(operations(plan).map { $0.prefix(9) } == ["add neigh", "add route"])
    }

    @Test func aRouteThatLeadsElsewhere() throws {
        let plan = plan([first], [try link(first, index: 7)], [try route(first, index: 1)])
        #expect(plan.mended == [first])
    }

    @Test func aLinkThatIsDown() throws {
        let plan = plan([first], [try link(first, index: 7, isUp: false)], [try route(first, index: 7)])
        #expect(operations(plan).first == "bring up link swlabcd0af40005")
        #expect(plan.batch.entries.count == 3, "its neighbour and its route went when it went down")
    }

    @Test func aLinkThatIsDeleted() throws {
        let plan = plan([first, second], [try link(second, index: 8)], [try route(second, index: 8)])
        #expect(plan.lost == [first] && plan.batch.isEmpty)
    }

    @Test func oneFamilysRouteThatIsGone() throws {
        let sixth = try #require(sixth)
        let links = [try link(dual, index: 9)]
        let whole = plan([dual], links, [try route(dual, index: 9), try route(sixth, index: 9)])
        #expect(whole.batch.isEmpty)
        let half = plan([dual], links, [try route(dual, index: 9)])
        #expect(half.mended == [dual])
        #expect(operations(half).contains("add route fd00:10:244::7/128"))
    }

    @Test func whatNobodyKeepsIsLeftAlone() throws {
        let plan = plan([], [try link(first, index: 7, isUp: false)], [])
        #expect(plan.batch.isEmpty && plan.lost.isEmpty)
    }
}
