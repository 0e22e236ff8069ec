import CLinux
import Glibc

/// The rtm_protocol of every route that we add, so that it is found again.
public let swiftletRouteProtocol: UInt8 = 83

/// A route, to be added or as the kernel has it.
public struct Route: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        case unicast, local, blackhole, unreachable
        case other(UInt8)

        var number: UInt8 {
            switch self {
            case .unicast: 1
            case .local: 2
            case .blackhole: 6
            case .unreachable: 7
            case .other(let number): number
            }
        }
        init(_ number: UInt8) {
            self =
                switch number {
                case 1: .unicast
                case 2: .local
                case 6: .blackhole
                case 7: .unreachable
                default: .other(number)
                }
        }
    }

    /// The destination's first address; of the zero route it says the family.
    public var destination: InetAddress
    public var prefixLength: UInt8
    /// Where packets leave.
    public var linkIndex: Int32?
    public var gateway: InetAddress?
    /// The preferred source of what this machine sends itself.
    public var source: InetAddress?
    public var kind: Kind
    public var `protocol`: UInt8
    /// 254 is main, 255 local.
    public var table: UInt32
    /// RT_SCOPE_*: 0 universe, 253 link, 254 host. Nil takes what fits the kind.
    public var scope: UInt8?
    public var priority: UInt32?

    public init(
        to destination: InetAddress, prefixLength: UInt8, linkIndex: Int32? = nil, gateway: InetAddress? = nil,
        source: InetAddress? = nil, kind: Kind = .unicast, protocol number: UInt8 = swiftletRouteProtocol,
        table: UInt32? = nil, scope: UInt8? = nil, priority: UInt32? = nil
    ) {
        self.destination = destination
        self.prefixLength = prefixLength
        self.linkIndex = linkIndex
        self.gateway = gateway
        self.source = source
        self.kind = kind
        self.protocol = number
        self.table = table ?? (kind == .local ? 255 : 254)
        self.scope = scope
        self.priority = priority
    }

    init?(_ body: ArraySlice<UInt8>) {
        guard body.count >= 12 else { return nil }
        let family: UInt8 = NetlinkReader.number(body, at: 0)
        guard family == UInt8(AF_INET) || family == UInt8(AF_INET6) else { return nil }
        prefixLength = NetlinkReader.number(body, at: 1)
        self.protocol = NetlinkReader.number(body, at: 5)
        scope = NetlinkReader.number(body, at: 6, as: UInt8.self)
        kind = Kind(NetlinkReader.number(body, at: 7))
        var table = UInt32(NetlinkReader.number(body, at: 4, as: UInt8.self))
        var destination: InetAddress?
        var gateway: InetAddress?
        var source: InetAddress?
        var linkIndex: Int32?
        var priority: UInt32?
        NetlinkReader.attributes(body.dropFirst(12)) { type, value in
            switch type {
            case Int(RTA_DST.rawValue): destination = InetAddress(bytes: Array(value))
            case Int(RTA_GATEWAY.rawValue): gateway = InetAddress(bytes: Array(value))
            case Int(RTA_PREFSRC.rawValue): source = InetAddress(bytes: Array(value))
            case Int(RTA_OIF.rawValue): linkIndex = NetlinkReader.number(value, at: 0)
            case Int(RTA_PRIORITY.rawValue): priority = NetlinkReader.number(value, at: 0)
            case Int(RTA_TABLE.rawValue): table = NetlinkReader.number(value, at: 0)
            default: break
            }
        }
        let zero = [UInt8](repeating: 0, count: family == UInt8(AF_INET) ? 4 : 16)
        guard let place = destination ?? InetAddress(bytes: zero) else { return nil }
        self.destination = place
        self.gateway = gateway
        self.source = source
        self.linkIndex = linkIndex
        self.priority = priority
        self.table = table
    }

    /// `10.244.0.5/32`, for messages.
    public var text: String { "\(destination)/\(prefixLength)" }

    func message(type: Int, flags: UInt16) -> NetlinkMessage {
        var message = NetlinkMessage(type: UInt16(type), flags: flags)
        message.append(destination.family)
        message.append(prefixLength)
        message.append(UInt8(0))  // source prefix
        message.append(UInt8(0))  // TOS
        message.append(table < 256 ? UInt8(table) : 0)
        message.append(self.protocol)
        let natural: UInt8 = kind == .local ? 254 : (gateway == nil && linkIndex != nil ? 253 : 0)
        message.append(scope ?? natural)
        message.append(kind.number)
        message.append(UInt32(0))
        if prefixLength > 0 { message.attribute(Int(RTA_DST.rawValue), destination.bytes) }
        if let gateway { message.attribute(Int(RTA_GATEWAY.rawValue), gateway.bytes) }
        if let source { message.attribute(Int(RTA_PREFSRC.rawValue), source.bytes) }
        if let linkIndex { message.attribute(Int(RTA_OIF.rawValue), linkIndex) }
        if let priority { message.attribute(Int(RTA_PRIORITY.rawValue), priority) }
        if table >= 256 { message.attribute(Int(RTA_TABLE.rawValue), table) }
        return message
    }
}
