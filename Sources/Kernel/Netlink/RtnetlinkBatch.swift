import CLinux
import Glibc

/// Changes to links, addresses, routes and neighbours that go to the kernel in one call. The kernel takes them one by
/// one, and goes on after one that it refuses.
public struct RtnetlinkBatch: Sendable {
    struct Entry: Sendable {
        let message: NetlinkMessage
        let operation: String
        let subject: String
        /// Answers that are as good as success.
        let accepted: [Int32]
    }
    private(set) var entries: [Entry] = []

    public init() {}
    public var isEmpty: Bool { entries.isEmpty }

    private static let create = UInt16(NLM_F_CREATE | NLM_F_EXCL)
    private static let replace = UInt16(NLM_F_CREATE | NLM_F_REPLACE)

    private mutating func add(
        _ message: NetlinkMessage, _ operation: String, _ subject: String, accepting accepted: [Int32] = []
    ) {
        entries.append(Entry(message: message, operation: operation, subject: subject, accepted: accepted))
    }

    private static func linkMessage(
        type: Int, flags: UInt16, index: Int32 = 0, up: Bool? = nil
    ) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type), flags: flags)
        appendLinkHeader(&message, index: index, up: up)
        return message
    }

    private static func appendLinkHeader(_ message: inout NetlinkMessage, index: Int32, up: Bool?) {
        message.append(UInt16(0))  // family, padding
        message.append(UInt16(0))  // device type
        message.append(index)
        message.append(up == true ? UInt32(IFF_UP) : 0)
        message.append(up == nil ? 0 : UInt32(IFF_UP))
    }

    /// One end of a pair of links.
    public struct VethEnd: Sendable {
        public var name: String
        /// 6 bytes; nil lets the kernel choose.
        public var hardwareAddress: [UInt8]?
        public init(name: String, hardwareAddress: [UInt8]? = nil) {
            self.name = name
            self.hardwareAddress = hardwareAddress
        }
    }

    /// Makes a pair of links, both down: the first here, its peer in the namespace behind that descriptor. Neither makes
    /// an IPv6 address of its own.
    public mutating func addVeth(
        _ end: VethEnd, peer: VethEnd, peerNamespace: Int32, mtu: UInt32, group: UInt32 = 0
    ) {
        var message = Self.linkMessage(type: Int(RTM_NEWLINK), flags: Self.create)
        Self.describe(&message, end, mtu: mtu)
        if group != 0 { message.attribute(Int(IFLA_GROUP), group) }
        message.nested(Int(IFLA_LINKINFO)) { message in
            message.attribute(1, "veth")  // IFLA_INFO_KIND
            message.nested(2) { message in  // IFLA_INFO_DATA
                message.nested(Int(VETH_INFO_PEER)) { message in
                    Self.appendLinkHeader(&message, index: 0, up: nil)
                    Self.describe(&message, peer, mtu: mtu)
                    message.attribute(Int(IFLA_NET_NS_FD), peerNamespace)
                }
            }
        }
        add(message, "create link", end.name)
    }

    private static func describe(_ message: inout NetlinkMessage, _ end: VethEnd, mtu: UInt32) {
        message.attribute(Int(IFLA_IFNAME), end.name)
        message.attribute(Int(IFLA_MTU), mtu)
        if let address = end.hardwareAddress { message.attribute(Int(IFLA_ADDRESS), address) }
    }

    /// IPv4 settings of a link (net.ipv4.conf.<link>.*), by their numbers in <linux/ip.h>.
    public enum LinkSetting: Int, Sendable {
        case acceptRedirects = 4
        case sendRedirects = 6
        case rpFilter = 8
        case proxyARP = 3
    }

    /// Sets a link up or down, and its settings with it. `withoutIPv6Addresses` keeps it from making a link-local one
    /// (and from probing for it, with packets of its own).
    public mutating func setLink(
        _ index: Int32, up: Bool, name: String = "", settings: [LinkSetting: UInt32] = [:],
        withoutIPv6Addresses: Bool = false
    ) {
        let subject = name.isEmpty ? "\(index)" : name
        if !settings.isEmpty || withoutIPv6Addresses {
            // Before it goes up, or the kernel has made the address already.
            var message = Self.linkMessage(type: Int(RTM_SETLINK), flags: 0, index: index)
            message.nested(Int(IFLA_AF_SPEC)) { message in
                if !settings.isEmpty {
                    message.nested(Int(AF_INET)) { message in
                        message.nested(1) { message in  // IFLA_INET_CONF
                            for (setting, value) in settings.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                                message.attribute(setting.rawValue, value)
                            }
                        }
                    }
                }
            }
            if !settings.isEmpty { add(message, "set up link", subject) }
            if withoutIPv6Addresses {
                var message = Self.linkMessage(type: Int(RTM_SETLINK), flags: 0, index: index)
                message.nested(Int(IFLA_AF_SPEC)) { message in
                    message.nested(Int(AF_INET6)) { message in
                        message.attribute(8, UInt8(1))  // IFLA_INET6_ADDR_GEN_MODE: none
                    }
                }
                // A kernel without IPv6 has nothing to set.
                add(message, "set up link", subject, accepting: [EAFNOSUPPORT, EOPNOTSUPP])
            }
        }
        add(
            Self.linkMessage(type: Int(RTM_SETLINK), flags: 0, index: index, up: up),
            up ? "bring up link" : "bring down link", subject)
    }

    /// Removes a link; missing is fine.
    public mutating func deleteLink(_ index: Int32) {
        add(
            Self.linkMessage(type: Int(RTM_DELLINK), flags: 0, index: index), "delete link", "\(index)",
            accepting: [ENODEV])
    }

    /// Removes all links of a group; none is fine.
    public mutating func deleteLinks(group: UInt32) {
        var message = Self.linkMessage(type: Int(RTM_DELLINK), flags: 0)
        message.attribute(Int(IFLA_GROUP), group)
        add(message, "delete links of group", "\(group)", accepting: [ENODEV])
    }

    private static func addressMessage(
        type: Int, flags: UInt16, link: Int32, _ address: InetAddress, prefixLength: UInt8, scope: UInt8
    ) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type), flags: flags)
        message.append(address.family)
        message.append(prefixLength)
        message.append(address.isIPv4 ? UInt8(0) : UInt8(IFA_F_NODAD))
        message.append(scope)
        message.append(link)
        message.attribute(Int(IFA_LOCAL), address.bytes)
        message.attribute(Int(IFA_ADDRESS), address.bytes)
        return message
    }

    /// Gives a link an address; one that it has is fine. IPv6 ones are not probed for.
    public mutating func addAddress(
        link: Int32, _ address: InetAddress, prefixLength: UInt8, scope: UInt8 = 0
    ) {
        add(
            Self.addressMessage(
                type: Int(RTM_NEWADDR), flags: Self.create, link: link, address, prefixLength: prefixLength,
                scope: scope), "add address", "\(address)/\(prefixLength)", accepting: [EEXIST])
    }

    /// Takes an address away; missing is fine.
    public mutating func deleteAddress(link: Int32, _ address: InetAddress, prefixLength: UInt8) {
        add(
            Self.addressMessage(
                type: Int(RTM_DELADDR), flags: 0, link: link, address, prefixLength: prefixLength, scope: 0),
            "delete address", "\(address)/\(prefixLength)", accepting: [EADDRNOTAVAIL, ENODEV])
    }

    /// Adds a route, or puts it in the place of one to the same destination.
    public mutating func addRoute(_ route: Route) {
        add(route.message(type: Int(RTM_NEWROUTE), flags: Self.replace), "add route", route.text)
    }

    /// Removes a route that has all that is given here; missing is fine.
    public mutating func deleteRoute(_ route: Route) {
        var exact = route
        // The kernel compares a given scope; 255 (nowhere) means any.
        exact.scope = route.scope ?? 255
        add(exact.message(type: Int(RTM_DELROUTE), flags: 0), "delete route", route.text, accepting: [ESRCH, ENODEV])
    }

    /// A permanent entry: packets to that address leave by that link to that hardware address, nobody is asked.
    public mutating func addNeighbour(link: Int32, _ address: InetAddress, hardwareAddress: [UInt8]) {
        var message = NetlinkMessage(type: UInt16(RTM_NEWNEIGH), flags: Self.replace)
        message.append(address.family)
        message.append(UInt8(0))
        message.append(UInt16(0))
        message.append(link)
        message.append(UInt16(NUD_PERMANENT))
        message.append(UInt8(0))  // flags
        message.append(UInt8(0))  // type
        message.attribute(Int(NDA_DST), address.bytes)
        message.attribute(Int(NDA_LLADDR), hardwareAddress)
        add(message, "add neighbour", "\(address)")
    }
}
