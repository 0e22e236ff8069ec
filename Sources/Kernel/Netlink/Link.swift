import CLinux
import Glibc

/// A network interface.
public struct Link: Sendable, Hashable {
    public let index: Int32
    public let name: String
    /// IFF_UP: somebody wants it up.
    public let isUp: Bool
    public let isLoopback: Bool
    /// 6 bytes for an Ethernet-like link.
    public let hardwareAddress: [UInt8]
    public let mtu: UInt32
    /// `veth`, `bridge`...; nil for a device.
    public let kind: String?
    /// IFLA_GROUP.
    public let group: UInt32
    /// Since the link is there.
    public let receivedBytes: UInt64
    public let sentBytes: UInt64

    /// From an RTM_NEWLINK or RTM_DELLINK.
    init?(_ body: ArraySlice<UInt8>) {
        guard body.count >= 16 else { return nil }
        index = NetlinkReader.number(body, at: 4)
        let flags: UInt32 = NetlinkReader.number(body, at: 8)
        isUp = flags & UInt32(IFF_UP) != 0
        isLoopback = flags & UInt32(IFF_LOOPBACK) != 0
        var name = ""
        var hardwareAddress: [UInt8] = []
        var mtu: UInt32 = 0
        var kind: String?
        var group: UInt32 = 0
        var received: UInt64 = 0
        var sent: UInt64 = 0
        NetlinkReader.attributes(body.dropFirst(16)) { type, value in
            switch type {
            case Int(IFLA_IFNAME): name = NetlinkReader.text(value)
            case Int(IFLA_ADDRESS): hardwareAddress = Array(value)
            case Int(IFLA_MTU): mtu = NetlinkReader.number(value, at: 0)
            case Int(IFLA_GROUP): group = NetlinkReader.number(value, at: 0)
            case Int(IFLA_STATS64):
                // struct rtnl_link_stats64: packets in and out, then bytes in and out.
                received = NetlinkReader.number(value, at: 16)
                sent = NetlinkReader.number(value, at: 24)
            case Int(IFLA_LINKINFO):
                NetlinkReader.attributes(value) { type, value in
                    if type == 1 { kind = NetlinkReader.text(value) }  // IFLA_INFO_KIND
                }
            default: break
            }
        }
        self.name = name
        self.hardwareAddress = hardwareAddress
        self.mtu = mtu
        self.kind = kind
        self.group = group
        receivedBytes = received
        sentBytes = sent
    }
}

/// An address of a link.
public struct LinkAddress: Sendable, Hashable {
    public let linkIndex: Int32
    public let address: InetAddress
    public let prefixLength: UInt8
    /// RT_SCOPE_UNIVERSE (0) for a global one.
    public let scope: UInt8

    init?(_ body: ArraySlice<UInt8>) {
        guard body.count >= 8 else { return nil }
        prefixLength = NetlinkReader.number(body, at: 1)
        scope = NetlinkReader.number(body, at: 3)
        linkIndex = NetlinkReader.number(body, at: 4)
        var local: InetAddress?
        var plain: InetAddress?
        NetlinkReader.attributes(body.dropFirst(8)) { type, value in
            switch type {
            case Int(IFA_LOCAL): local = InetAddress(bytes: Array(value))
            case Int(IFA_ADDRESS): plain = InetAddress(bytes: Array(value))
            default: break
            }
        }
        // On a point-to-point link IFA_ADDRESS is the peer's.
        guard let address = local ?? plain else { return nil }
        self.address = address
    }
}
