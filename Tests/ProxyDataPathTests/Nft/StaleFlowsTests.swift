import CNetfilter
import KubeAPI
import Testing

@testable import ProxyDataPath

@Suite struct StaleFlowsTests {
    private func attribute(_ type: UInt32, _ value: [UInt8]) -> [UInt8] {
        let length = UInt16(4 + value.count)
        let type = UInt16(type)
        return [UInt8(length & 255), UInt8(length >> 8), UInt8(type & 255), UInt8(type >> 8)] + value
            + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
    }
    private func big(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    private func tuple(_ source: String, _ sourcePort: UInt16, _ target: String, _ port: UInt16, _ proto: UInt8)
        -> [UInt8]
    {
        attribute(
            CTA_TUPLE_IP.rawValue,
            attribute(CTA_IP_V4_SRC.rawValue, address(source).bytes)
                + attribute(CTA_IP_V4_DST.rawValue, address(target).bytes))
            + attribute(
                CTA_TUPLE_PROTO.rawValue,
                attribute(CTA_PROTO_NUM.rawValue, [proto]) + attribute(CTA_PROTO_SRC_PORT.rawValue, big(sourcePort))
                    + attribute(CTA_PROTO_DST_PORT.rawValue, big(port)))
    }

    /// An entry of a client that sent to `to` and is answered by `by`.
    private func entry(
        to target: (String, UInt16), by backend: (String, UInt16), id: UInt32, isTranslated: Bool = true,
        proto: TransportProtocol = .udp
    ) -> ConntrackEntry? {
        let bytes =
            attribute(CTA_TUPLE_ORIG.rawValue, tuple("10.244.0.9", 4444, target.0, target.1, proto.rawValue))
            + attribute(CTA_TUPLE_REPLY.rawValue, tuple(backend.0, backend.1, "10.244.0.9", 4444, proto.rawValue))
            + attribute(CTA_STATUS.rawValue, big(UInt32(isTranslated ? 0x1a8 : 0x188)))
            + attribute(CTA_MARK.rawValue, big(MarkLayout.standard.id(id) | 3))
            + attribute(CTA_ID.rawValue, big(UInt32(77)))
        return bytes.withUnsafeBytes { ConntrackEntry(NftAttributes($0)) }
    }

    private func stale(gone: [Conntrack.Gone] = [], fronts: [Front.Key] = []) -> StaleFlows {
        StaleFlows(
            gone: gone, fronts: fronts, nodeAddresses: [address("192.0.2.2")], layout: .standard)
    }

    @Test func readsWhatConntrackSays() throws {
        let flow = try #require(entry(to: ("10.96.0.11", 53), by: ("10.244.0.5", 5353), id: 7))
        #expect(flow.original.destinationPort == 53)
        #expect(flow.reply.source == address("10.244.0.5"))
        #expect(flow.isTranslated)
        #expect(flow.idBytes == [0, 0, 0, 77])
    }

    @Test func knowsWhetherAConnectionIsOpen() throws {
        func entry(_ state: UInt8) -> ConntrackEntry? {
            let bytes =
                attribute(CTA_TUPLE_ORIG.rawValue, tuple("10.244.0.9", 4444, "10.96.0.11", 80, 6))
                + attribute(CTA_TUPLE_REPLY.rawValue, tuple("10.244.0.5", 8080, "10.244.0.9", 4444, 6))
                + attribute(
                    CTA_PROTOINFO.rawValue,
                    attribute(CTA_PROTOINFO_TCP.rawValue, attribute(CTA_PROTOINFO_TCP_STATE.rawValue, [state])))
            return bytes.withUnsafeBytes { ConntrackEntry(NftAttributes($0)) }
        }
        // SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, TIME_WAIT
        let entries = try [1, 2, 3, 4, 7].map { try #require(entry($0)) }
        #expect(entries.map(\.isOpening) == [true, true, false, false, false])
        #expect(entries.map(\.isOpen) == [false, false, true, false, false])
    }

    @Test func endsFlowsOfThatServiceToThatBackendOnly() throws {
        let stale = stale(gone: [Conntrack.Gone(id: 7, backend: backend("10.244.0.5", 5353))])
        let target = ("10.96.0.11", UInt16(53))
        #expect(stale.contains(try #require(entry(to: target, by: ("10.244.0.5", 5353), id: 7))))
        #expect(!stale.contains(try #require(entry(to: target, by: ("10.244.0.6", 5353), id: 7))))
        #expect(!stale.contains(try #require(entry(to: target, by: ("10.244.0.5", 5353), id: 8))))
        #expect(!stale.contains(try #require(entry(to: target, by: ("10.244.0.5", 53), id: 7))))
        #expect(!stale.contains(try #require(entry(to: target, by: ("10.244.0.5", 5353), id: 7, proto: .tcp))))
    }

    @Test func endsFlowsThatWentPastANewFront() throws {
        let stale = stale(fronts: [
            front("203.0.113.5", 53, .udp).key, Front(.nodePort(30053), .udp, isExternal: true).key,
        ])
        func untranslated(_ target: String, _ port: UInt16) throws -> ConntrackEntry {
            try #require(entry(to: (target, port), by: (target, port), id: 0, isTranslated: false))
        }
        #expect(stale.contains(try untranslated("203.0.113.5", 53)))
        #expect(stale.contains(try untranslated("192.0.2.2", 30053)))
        #expect(!stale.contains(try untranslated("192.0.2.3", 30053)))
        #expect(!stale.contains(try untranslated("203.0.113.5", 54)))
        #expect(!stale.contains(try #require(entry(to: ("203.0.113.5", 53), by: ("10.244.0.5", 53), id: 7))))
    }
}
