import Glibc
import Testing

@testable import Kernel

@Suite("Netlink messages")
struct NetlinkMessageTests {
    @Test func aMessageHasItsLengthFlagsAndSequence() {
        var message = NetlinkMessage(type: 0x10, flags: 0x600)
        message.append(UInt32(0xaabb_ccdd))
        let bytes = message.finished(sequence: 7, extraFlags: 0x5)
        #expect(bytes == [20, 0, 0, 0, 0x10, 0, 0x05, 0x06, 7, 0, 0, 0, 0, 0, 0, 0, 0xdd, 0xcc, 0xbb, 0xaa])
    }

    @Test func attributesAreAlignedAndTellTheirTrueLength() {
        var message = NetlinkMessage(type: 1, flags: 0)
        message.attribute(3, "eth0")
        message.attribute(4, UInt32(1500))
        #expect(
            Array(message.bytes.dropFirst(16)) == [
                9, 0, 3, 0, 0x65, 0x74, 0x68, 0x30, 0, 0, 0, 0,
                8, 0, 4, 0, 0xdc, 0x05, 0, 0,
            ])
    }

    @Test func nestedAttributesAreMarkedAndSpanWhatIsInside() {
        var message = NetlinkMessage(type: 1, flags: 0)
        message.nested(18) { message in
            message.attribute(1, "veth")
            message.nested(2) { $0.attribute(8, UInt8(1)) }
        }
        #expect(
            Array(message.bytes.dropFirst(16)) == [
                28, 0, 18, 0x80,
                9, 0, 1, 0, 0x76, 0x65, 0x74, 0x68, 0, 0, 0, 0,
                12, 0, 2, 0x80, 5, 0, 8, 0, 1, 0, 0, 0,
            ])
    }

    @Test func whatIsWrittenIsReadBack() {
        var message = NetlinkMessage(type: 1, flags: 0)
        message.attribute(3, "lo")
        message.nested(18) { $0.attribute(1, "dummy") }
        var names: [Int: String] = [:]
        NetlinkReader.attributes(message.bytes[16...]) { type, value in
            if type == 3 { names[type] = NetlinkReader.text(value) }
            if type == 18 {
                NetlinkReader.attributes(value) { inner, value in names[100 + inner] = NetlinkReader.text(value) }
            }
        }
        #expect(names == [3: "lo", 101: "dummy"])
    }

    @Test func severalMessagesOfADatagramAreToldApart() {
        let first = NetlinkMessage(type: 1, flags: 2).finished(sequence: 3, extraFlags: 0)
        let second = NetlinkMessage(type: 4, flags: 0).finished(sequence: 5, extraFlags: 0)
        let messages = NetlinkReader.messages(in: first + second + [1, 2, 3])
        #expect(messages.map(\.type) == [1, 4])
        #expect(messages.map(\.sequence) == [3, 5])
        #expect(messages.map(\.flags) == [2, 0])
    }

    @Test func aLengthBeyondTheBytesEndsTheReading() {
        var bytes = NetlinkMessage(type: 1, flags: 0).finished(sequence: 1, extraFlags: 0)
        bytes[0] = 200
        #expect(NetlinkReader.messages(in: bytes).isEmpty)
        bytes[0] = 3
        #expect(NetlinkReader.messages(in: bytes).isEmpty)
    }

    @Test func numbersBeyondTheEndAreZero() {
        let bytes: [UInt8] = [1, 2, 3]
        #expect(NetlinkReader.number(bytes[...], at: 0, as: UInt16.self) == 0x0201)
        #expect(NetlinkReader.number(bytes[...], at: 2, as: UInt16.self) == 0)
        #expect(NetlinkReader.number(bytes[...], at: -1, as: UInt8.self) == 0)
        #expect(NetlinkReader.number(bytes[1...], at: 0, as: UInt8.self) == 2)
    }

    @Test func garbageIsReadWithoutHarm() {
        var random = SeededGenerator()
        for _ in 0..<5000 {
            let bytes = random.bytes(upTo: 200)
            for message in NetlinkReader.messages(in: bytes) {
                #expect(message.body.count <= bytes.count, "seed \(random.seed)")
                _ = Link(message.body)
                _ = LinkAddress(message.body)
                _ = Route(message.body)
            }
            _ = Link(bytes[...])
            _ = LinkAddress(bytes[...])
            _ = Route(bytes[...])
        }
    }
}

@Suite("Links, addresses and routes as the kernel tells them")
struct NetlinkObjectTests {
    private func body(_ fill: (inout NetlinkMessage) -> Void) -> ArraySlice<UInt8> {
        var message = NetlinkMessage(type: 0, flags: 0)
        fill(&message)
        return message.bytes[16...]
    }

    @Test func aLink() {
        let link = Link(
            body { message in
                message.append(UInt32(0))
                message.append(Int32(12))
                message.append(UInt32(IFF_UP | IFF_LOOPBACK))
                message.append(UInt32(0))
                message.attribute(3, "swl00000a")
                message.attribute(1, [2, 0x73, 0x77, 0x6c, 0, 1])
                message.attribute(4, UInt32(1450))
                message.attribute(27, UInt32(0x5300_0001))
                message.attribute(
                    23, [UInt64(1), 2, 3, 4].flatMap { value in withUnsafeBytes(of: value) { Array($0) } })
                message.nested(18) { $0.attribute(1, "veth") }
            })
        #expect(link?.index == 12)
        #expect(link?.name == "swl00000a")
        #expect(link?.isUp == true && link?.isLoopback == true)
        #expect(link?.hardwareAddress == [2, 0x73, 0x77, 0x6c, 0, 1])
        #expect(link?.mtu == 1450)
        #expect(link?.kind == "veth")
        #expect(link?.group == 0x5300_0001)
        #expect(link?.receivedBytes == 3 && link?.sentBytes == 4)
    }

    @Test func theAddressOfALinkIsItsOwnNotItsPeers() {
        let address = LinkAddress(
            body { message in
                message.append(UInt8(AF_INET))
                message.append(UInt8(32))
                message.append(UInt8(0))
                message.append(UInt8(253))
                message.append(Int32(3))
                message.attribute(1, [10, 0, 0, 1])
                message.attribute(2, [10, 0, 0, 2])
            })
        #expect(address?.address == InetAddress("10.0.0.2"))
        #expect(address?.prefixLength == 32 && address?.linkIndex == 3 && address?.scope == 253)
    }

    @Test(arguments: [
        Route(
            to: InetAddress(ipv4: 0x0a00_0005), prefixLength: 32, linkIndex: 4, source: InetAddress(ipv4: 0x0a00_0001)),
        Route(to: InetAddress(ipv4: 0), prefixLength: 0, linkIndex: 2, gateway: InetAddress(ipv4: 0xa9fe_0101)),
        Route(to: InetAddress(ipv4: 0x0a60_0000), prefixLength: 16, linkIndex: 1, kind: .local),
        Route(to: InetAddress(ipv4: 0x0a60_0000), prefixLength: 16, kind: .blackhole, table: 1000, priority: 7),
    ])
    func aRouteIsReadAsItWasWritten(_ route: Route) {
        let written = route.message(type: RTM_NEWROUTE_, flags: 0)
        var read = Route(written.bytes[16...])
        #expect(read?.scope != nil)
        read?.scope = route.scope
        #expect(read == route)
        #expect(route.protocol == swiftletRouteProtocol)
    }

    @Test func aLocalRouteIsOfTheLocalTableAndTheHostsScope() {
        let route = Route(to: InetAddress(ipv4: 0), prefixLength: 8, kind: .local)
        #expect(route.table == 255)
        #expect(Route(route.message(type: RTM_NEWROUTE_, flags: 0).bytes[16...])?.scope == 254)
    }
}

@Suite("Inet addresses")
struct InetAddressTests {
    @Test(arguments: ["10.244.0.5", "0.0.0.0", "255.255.255.255", "fe80::1", "::"])
    func theirTextIsReadBack(_ text: String) {
        #expect(InetAddress(text)?.description == text)
    }

    @Test(arguments: ["", "10.244.0", "10.244.0.256", "10.244.0.5/32", " 10.0.0.1", "x"])
    func whatIsNoneIsRefused(_ text: String) { #expect(InetAddress(text) == nil) }

    @Test func ofFourAndSixteenBytes() {
        #expect(InetAddress(bytes: [1, 2, 3]) == nil)
        #expect(InetAddress(bytes: [10, 0, 0, 1])?.ipv4 == 0x0a00_0001)
        #expect(InetAddress(bytes: [UInt8](repeating: 0, count: 16))?.bitCount == 128)
        #expect(InetAddress(ipv4: 0xa9fe_0101).description == "169.254.1.1")
    }
}
