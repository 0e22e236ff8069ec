import CNetfilter
import Glibc
import Testing

@testable import ProxyDataPath

@Suite struct NftMonitorTests {
    /// A message about a table, from a socket.
    private func concerns(
        _ type: nf_tables_msg_types, table: String = "swiftlet-test", family: UInt8 = UInt8(NFPROTO_IPV4),
        from port: UInt32 = 0
    ) -> Bool {
        var buffer = NftBuffer(capacity: 4096)
        buffer.append(UInt32(0))
        buffer.append(UInt16(NFNL_SUBSYS_NFTABLES << 8) | UInt16(type.rawValue))
        buffer.append(UInt16(0))
        buffer.append(UInt32(0))
        buffer.append(port)
        buffer.append(UInt32(family))
        buffer.attribute(1, table)
        buffer.close(messageAt: 0)
        let header = buffer.bytes.assumingMemoryBound(to: nlmsghdr.self)
        return NftMonitor.concerns(
            "swiftlet-test", .ipv4,
            NftReceiver.Message(
                type: header.pointee.nlmsg_type, flags: 0, sequence: 0, header: header, count: buffer.count), 77)
    }

    @Test(arguments: [NFT_MSG_DELTABLE, NFT_MSG_DELRULE, NFT_MSG_NEWCHAIN, NFT_MSG_DELSETELEM, NFT_MSG_NEWSETELEM])
    func hearsWhatHappensToOurTable(type: nf_tables_msg_types) { #expect(concerns(type)) }

    @Test func leavesTheTablesOfOthersAlone() {
        #expect(!concerns(NFT_MSG_DELTABLE, table: "filter"))
        #expect(!concerns(NFT_MSG_DELTABLE, family: UInt8(NFPROTO_IPV6)))
    }

    @Test func doesNotHearItself() {
        #expect(!concerns(NFT_MSG_NEWSETELEM, from: 77))
        #expect(!concerns(NFT_MSG_NEWGEN))
    }
}
