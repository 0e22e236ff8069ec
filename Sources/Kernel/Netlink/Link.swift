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
    public let traffic: LinkTraffic
    public var receivedBytes: UInt64 { traffic.receivedBytes }
    public var sentBytes: UInt64 { traffic.sentBytes }

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
        var traffic = LinkTraffic()
        NetlinkReader.attributes(body.dropFirst(16)) { type, value in
            switch type {
            case Int(IFLA_IFNAME): name = NetlinkReader.text(value)
            case Int(IFLA_ADDRESS): hardwareAddress = Array(value)
            case Int(IFLA_MTU): mtu = NetlinkReader.number(value, at: 0)
            case Int(IFLA_GROUP): group = NetlinkReader.number(value, at: 0)
            case Int(IFLA_STATS64):
                traffic = LinkTraffic(value)
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
        self.traffic = traffic
    }
}

/// What has passed through a link since it is there, from the side of whoever reads it.
public struct LinkTraffic: Sendable, Hashable {
    public var receivedPackets: UInt64 = 0
    public var sentPackets: UInt64 = 0
    public var receivedBytes: UInt64 = 0
    public var sentBytes: UInt64 = 0
    public var receiveErrors: UInt64 = 0
    public var sendErrors: UInt64 = 0
    public var receivedDropped: UInt64 = 0
    public var sentDropped: UInt64 = 0

    public init() {}

    /// From a struct rtnl_link_stats64, whose first eight numbers come in pairs: in and out. What a short one lacks is
    /// zero.
    init(_ stats: ArraySlice<UInt8>) {
        func number(_ position: Int) -> UInt64 {
            stats.count >= position * 8 + 8 ? NetlinkReader.number(stats, at: position * 8) : 0
        }
        receivedPackets = number(0)
        sentPackets = number(1)
        receivedBytes = number(2)
        sentBytes = number(3)
        receiveErrors = number(4)
        sendErrors = number(5)
        receivedDropped = number(6)
        sentDropped = number(7)
    }

    /// As the other end of a pair counts.
    public var fromTheOtherEnd: LinkTraffic {
        var other = LinkTraffic()
        other.receivedPackets = sentPackets
        other.sentPackets = receivedPackets
        other.receivedBytes = sentBytes
        other.sentBytes = receivedBytes
        other.receiveErrors = sendErrors
        other.sendErrors = receiveErrors
        other.receivedDropped = sentDropped
        other.sentDropped = receivedDropped
        return other
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
