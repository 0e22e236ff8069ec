import CNetfilter
import Glibc
import KubeAPI

/// One connection as conntrack knows it.
struct ConntrackEntry: Sendable {
    struct Tuple: Sendable, Equatable {
        var source: UInt32 = 0
        var destination: UInt32 = 0
        var proto: UInt8 = 0
        var sourcePort: UInt16 = 0
        var destinationPort: UInt16 = 0
    }
    let original: Tuple
    let reply: Tuple
    let status: UInt32
    let mark: UInt32
    /// As the kernel numbers them (`enum tcp_conntrack`); 0 for other protocols.
    let tcpState: UInt8
    /// As the kernel gave them, to name the entry by.
    let originalTuple: [UInt8]
    let idBytes: [UInt8]

    /// Its destination was translated: IPS_DST_NAT.
    var isTranslated: Bool { status & 0x20 != 0 }

    /// A TCP connection whose client has not heard of it yet: SYN_SENT, SYN_RECV.
    var isOpening: Bool { tcpState == 1 || tcpState == 2 }
    /// ESTABLISHED
    var isOpen: Bool { tcpState == 3 }

    /// Nil for anything but IPv4.
    init?(_ attributes: NftAttributes) {
        var original: Tuple?
        var reply: Tuple?
        var status: UInt32 = 0
        var mark: UInt32 = 0
        var tcpState: UInt8 = 0
        var tuple: [UInt8] = []
        var id: [UInt8] = []
        for (type, value) in attributes {
            switch type {
            case Int(CTA_TUPLE_ORIG.rawValue):
                original = Self.tuple(value)
                tuple = Array(value)
            case Int(CTA_TUPLE_REPLY.rawValue): reply = Self.tuple(value)
            case Int(CTA_STATUS.rawValue): status = UInt32(bigEndian: value.number())
            case Int(CTA_MARK.rawValue): mark = UInt32(bigEndian: value.number())
            case Int(CTA_PROTOINFO.rawValue): tcpState = Self.tcpState(value)
            case Int(CTA_ID.rawValue): id = Array(value)
            default: break
            }
        }
        guard let original, let reply else { return nil }
        self.original = original
        self.reply = reply
        self.status = status
        self.mark = mark
        self.tcpState = tcpState
        originalTuple = tuple
        idBytes = id
    }

    private static func tcpState(_ bytes: UnsafeRawBufferPointer) -> UInt8 {
        for (type, value) in NftAttributes(bytes) where type == Int(CTA_PROTOINFO_TCP.rawValue) {
            for (inner, value) in NftAttributes(value) where inner == Int(CTA_PROTOINFO_TCP_STATE.rawValue) {
                return value.number()
            }
        }
        return 0
    }

    private static func tuple(_ bytes: UnsafeRawBufferPointer) -> Tuple? {
        var tuple = Tuple()
        for (type, value) in NftAttributes(bytes) {
            for (inner, value) in NftAttributes(value) {
                switch (type, inner) {
                case (Int(CTA_TUPLE_IP.rawValue), Int(CTA_IP_V4_SRC.rawValue)):
                    tuple.source = UInt32(bigEndian: value.number())
                case (Int(CTA_TUPLE_IP.rawValue), Int(CTA_IP_V4_DST.rawValue)):
                    tuple.destination = UInt32(bigEndian: value.number())
                case (Int(CTA_TUPLE_PROTO.rawValue), Int(CTA_PROTO_NUM.rawValue)): tuple.proto = value.number()
                case (Int(CTA_TUPLE_PROTO.rawValue), Int(CTA_PROTO_SRC_PORT.rawValue)):
                    tuple.sourcePort = UInt16(bigEndian: value.number())
                case (Int(CTA_TUPLE_PROTO.rawValue), Int(CTA_PROTO_DST_PORT.rawValue)):
                    tuple.destinationPort = UInt16(bigEndian: value.number())
                default: break
                }
            }
        }
        return tuple.source == 0 && tuple.destination == 0 ? nil : tuple
    }
}

/// Which entries must end.
struct StaleFlows {
    private let gone: Set<Conntrack.Gone>
    private let addresses: Set<UInt64>
    private let nodePorts: Set<UInt16>
    private let hostPorts: Set<UInt16>
    private let nodeAddresses: Set<UInt32>
    private let layout: MarkLayout

    init(gone: [Conntrack.Gone], fronts: [Front.Key], nodeAddresses: Set<UInt32>, layout: MarkLayout) {
        self.gone = Set(gone)
        self.nodeAddresses = nodeAddresses
        self.layout = layout
        var addresses: Set<UInt64> = []
        var nodePorts: Set<UInt16> = []
        var hostPorts: Set<UInt16> = []
        for front in fronts {
            switch front.place {
            case .address(let address, let port):
                if let number = address.ipv4 { addresses.insert(Self.pair(number, port)) }
            case .nodePort(let port): nodePorts.insert(port)
            case .hostPort(let port): hostPorts.insert(port)
            }
        }
        self.addresses = addresses
        self.nodePorts = nodePorts
        self.hostPorts = hostPorts
    }

    private static func pair(_ address: UInt32, _ port: UInt16) -> UInt64 { UInt64(address) << 16 | UInt64(port) }

    func contains(_ entry: ConntrackEntry) -> Bool {
        guard entry.original.proto == TransportProtocol.udp.rawValue else { return false }
        if entry.isTranslated {
            let backend = Backend(address: IPAddress(ipv4: entry.reply.source), port: entry.reply.sourcePort)
            return gone.contains(Conntrack.Gone(id: layout.id(of: entry.mark), backend: backend))
        }
        let (address, port) = (entry.original.destination, entry.original.destinationPort)
        if addresses.contains(Self.pair(address, port)) { return true }
        guard nodeAddresses.contains(address) else { return false }
        return nodePorts.contains(port) || hostPorts.contains(port)
    }
}
