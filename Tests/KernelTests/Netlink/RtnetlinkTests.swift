import Glibc
import Testing

@testable import Kernel

@Suite("Changes by rtnetlink")
struct RtnetlinkTests {
    @Test func aBatchIsOneDatagramOfRequestsThatWantAnswers() throws {
        let kernel = FakeKernel { requests in requests.map { FakeKernel.answer($0) } }
        try Rtnetlink(transport: kernel).execute { batch in
            batch.setLink(1, up: true)
            batch.deleteLink(7)
        }
        #expect(kernel.requests.map(\.type) == [19, 17])
        #expect(kernel.requests.map(\.sequence) == [1, 2])
        #expect(kernel.requests.allSatisfy { $0.flags & 5 == 5 })
    }

    @Test func theFirstRefusalIsThrownThoughAnswersComeInAnyOrder() {
        let kernel = FakeKernel { requests in
            [
                FakeKernel.answer(requests[2], code: EBUSY), FakeKernel.answer(requests[1], code: EPERM),
                FakeKernel.answer(requests[0]),
            ]
        }
        let error = #expect(throws: KernelError.self) {
            try Rtnetlink(transport: kernel).execute { batch in
                batch.setLink(1, up: true, name: "a")
                batch.setLink(2, up: true, name: "b")
                batch.setLink(3, up: false, name: "c")
            }
        }
        #expect(error == KernelError("bring up link", "b", code: EPERM))
    }

    @Test func whatIsGoneAlreadyIsNoFailure() throws {
        let kernel = FakeKernel { requests in
            zip(requests, [ENODEV, EEXIST, ESRCH]).map { FakeKernel.answer($0, code: $1) }
        }
        try Rtnetlink(transport: kernel).execute { batch in
            batch.deleteLink(7)
            batch.addAddress(link: 1, InetAddress(ipv4: 1), prefixLength: 32)
            batch.deleteRoute(Route(to: InetAddress(ipv4: 1), prefixLength: 32))
        }
    }

    @Test func answersToOthersAreSkipped() throws {
        let kernel = FakeKernel { requests in
            let stranger = FakeKernel.Request(type: 0, flags: 0, sequence: 999, body: [])
            return [FakeKernel.answer(stranger, code: EPERM) + FakeKernel.answer(requests[0])]
        }
        try Rtnetlink(transport: kernel).execute { $0.setLink(1, up: true) }
    }

    @Test func anEmptyBatchSaysNothing() throws {
        let kernel = FakeKernel { _ in [] }
        try Rtnetlink(transport: kernel).execute { _ in }
        #expect(kernel.requests.isEmpty)
    }

    @Test func aDumpIsReadOverSeveralDatagrams() throws {
        let kernel = FakeKernel { requests in
            [
                FakeKernel.link(requests[0], index: 1, name: "lo") + FakeKernel.link(requests[0], index: 2, name: "a"),
                FakeKernel.link(requests[0], index: 3, name: "b", mtu: 9000), FakeKernel.done(requests[0]),
            ]
        }
        let links = try Rtnetlink(transport: kernel).links()
        #expect(links.map(\.name) == ["lo", "a", "b"])
        #expect(links.map(\.index) == [1, 2, 3])
        #expect(links[2].mtu == 9000)
    }

    @Test func aDumpThatAChangeHasTornIsTakenAgain() throws {
        let kernel = FakeKernel { requests in
            // The flag NLM_F_DUMP_INTR.
            let flags: UInt16 = requests[0].sequence == 1 ? 0x10 : 0
            return [
                FakeKernel.link(requests[0], index: 1, name: requests[0].sequence == 1 ? "old" : "new"),
                FakeKernel.done(requests[0], flags: flags),
            ]
        }
        #expect(try Rtnetlink(transport: kernel).links().map(\.name) == ["new"])
        #expect(kernel.requests.count == 2)
    }

    @Test func aDumpThatIsAlwaysTornIsGivenUp() {
        let kernel = FakeKernel { [FakeKernel.done($0[0], flags: 0x10)] }
        let error = #expect(throws: KernelError.self) { try Rtnetlink(transport: kernel).links() }
        #expect(error?.code == EAGAIN)
    }

    @Test func aLinkThatIsNotThereIsNil() throws {
        let kernel = FakeKernel { [FakeKernel.answer($0[0], code: ENODEV)] }
        #expect(try Rtnetlink(transport: kernel).link(named: "nothing") == nil)
        let refusing = FakeKernel { [FakeKernel.answer($0[0], code: EPERM)] }
        #expect(throws: KernelError.self) { try Rtnetlink(transport: refusing).link(named: "nothing") }
    }

    @Test func aVethCarriesBothEndsTheGroupAndTheNamespace() throws {
        let kernel = FakeKernel { requests in requests.map { FakeKernel.answer($0) } }
        try Rtnetlink(transport: kernel).execute { batch in
            batch.addVeth(
                .init(name: "swlx1", hardwareAddress: [2, 0, 0, 0, 0, 1]), peer: .init(name: "eth0"), peerNamespace: 9,
                mtu: 1400, group: 77)
        }
        let body = try #require(kernel.requests.first).body
        let link = Link(body[...])
        #expect(link?.name == "swlx1" && link?.mtu == 1400 && link?.group == 77 && link?.kind == "veth")
        var peer: Link?
        var namespace: Int32?
        NetlinkReader.attributes(body[16...]) { type, value in
            guard type == 18 else { return }
            NetlinkReader.attributes(value) { type, value in
                guard type == 2 else { return }
                NetlinkReader.attributes(value) { _, value in
                    peer = Link(value)
                    NetlinkReader.attributes(value.dropFirst(16)) { type, value in
                        if type == 28 { namespace = NetlinkReader.number(value, at: 0) }
                    }
                }
            }
        }
        #expect(peer?.name == "eth0" && peer?.mtu == 1400)
        #expect(namespace == 9)
    }

    @Test func settingsComeBeforeTheLinkGoesUp() throws {
        let kernel = FakeKernel { requests in requests.map { FakeKernel.answer($0) } }
        try Rtnetlink(transport: kernel).execute { batch in
            batch.setLink(5, up: true, settings: [.rpFilter: 0, .sendRedirects: 0], withoutIPv6Addresses: true)
        }
        #expect(kernel.requests.count == 3)
        let flags = kernel.requests.map { NetlinkReader.number($0.body[...], at: 8, as: UInt32.self) }
        #expect(flags == [0, 0, UInt32(IFF_UP)])
    }

    @Test func theDefaultRouteIsTheOneOfLowestMetricInTheMainTable() throws {
        let kernel = FakeKernel { requests in
            let request = requests[0]
            guard request.body.first == UInt8(AF_INET) else { return [FakeKernel.answer(request, code: EAFNOSUPPORT)] }
            let zero = InetAddress(ipv4: 0)
            let routes = [
                Route(to: zero, prefixLength: 0, linkIndex: 2, gateway: InetAddress(ipv4: 1), priority: 600),
                Route(to: zero, prefixLength: 0, linkIndex: 3, gateway: InetAddress(ipv4: 2), priority: 100),
                Route(to: zero, prefixLength: 0, linkIndex: 4, table: 1000),
                Route(to: InetAddress(ipv4: 0x0a00_0000), prefixLength: 8, linkIndex: 5),
            ]
            let datagram = routes.flatMap {
                $0.message(type: RTM_NEWROUTE_, flags: 0).finished(sequence: request.sequence, extraFlags: 0)
            }
            return [datagram, FakeKernel.done(request)]
        }
        #expect(try Rtnetlink(transport: kernel).defaultRoute()?.linkIndex == 3)
    }
}
