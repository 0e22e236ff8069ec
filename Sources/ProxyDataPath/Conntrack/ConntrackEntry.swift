import CNetfilter
import Glibc
import KubeAPI

/// One connection as conntrack knows it.
struct ConntrackEntry: Sendable {
    struct Tuple: Sendable, Equatable {
        var source: IPAddress
        var destination: IPAddress
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

    /// Nil for anything but IPv4 and IPv6.
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
        var (source, destination): (IPAddress?, IPAddress?)
        var (proto, sourcePort, destinationPort): (UInt8, UInt16, UInt16) = (0, 0, 0)
        for (type, value) in NftAttributes(bytes) {
            for (inner, value) in NftAttributes(value) {
                switch (type, inner) {
                case (Int(CTA_TUPLE_IP.rawValue), Int(CTA_IP_V4_SRC.rawValue)),
                    (Int(CTA_TUPLE_IP.rawValue), Int(CTA_IP_V6_SRC.rawValue)):
                    source = address(value)
                case (Int(CTA_TUPLE_IP.rawValue), Int(CTA_IP_V4_DST.rawValue)),
                    (Int(CTA_TUPLE_IP.rawValue), Int(CTA_IP_V6_DST.rawValue)):
                    destination = address(value)
                case (Int(CTA_TUPLE_PROTO.rawValue), Int(CTA_PROTO_NUM.rawValue)): proto = value.number()
                case (Int(CTA_TUPLE_PROTO.rawValue), Int(CTA_PROTO_SRC_PORT.rawValue)):
                    sourcePort = UInt16(bigEndian: value.number())
                case (Int(CTA_TUPLE_PROTO.rawValue), Int(CTA_PROTO_DST_PORT.rawValue)):
                    destinationPort = UInt16(bigEndian: value.number())
                default: break
                }
            }
        }
        guard let source, let destination else { return nil }
        return Tuple(
            source: source, destination: destination, proto: proto, sourcePort: sourcePort,
            destinationPort: destinationPort)
    }

    /// Plain loads: a dump has tens of thousands of them.
    private static func address(_ bytes: UnsafeRawBufferPointer) -> IPAddress? {
        switch bytes.count {
        case 4: IPAddress(ipv4: UInt32(bigEndian: bytes.number()))
        case 16: IPAddress(ipv6: UInt128(bigEndian: bytes.number()))
        default: nil
        }
    }
}

/// Which entries must end.
struct StaleFlows {
    private let gone: Set<Conntrack.Gone>
    private let addresses: Set<Backend>
    private let nodePorts: Set<UInt16>
    private let hostPorts: Set<UInt16>
    private let nodeAddresses: Set<IPAddress>
    private let layout: MarkLayout

    init(gone: [Conntrack.Gone], fronts: [Front.Key], nodeAddresses: Set<IPAddress>, layout: MarkLayout) {
        self.gone = Set(gone)
        self.nodeAddresses = nodeAddresses
        self.layout = layout
        var addresses: Set<Backend> = []
        var nodePorts: Set<UInt16> = []
        var hostPorts: Set<UInt16> = []
        for front in fronts {
            switch front.place {
            case .address(let address, let port): addresses.insert(Backend(address: address, port: port))
            case .nodePort(let port): nodePorts.insert(port)
            case .hostPort(let port): hostPorts.insert(port)
            }
        }
        self.addresses = addresses
        self.nodePorts = nodePorts
        self.hostPorts = hostPorts
    }

    func contains(_ entry: ConntrackEntry) -> Bool {
        guard entry.original.proto == TransportProtocol.udp.rawValue else { return false }
        if entry.isTranslated {
            let backend = Backend(address: entry.reply.source, port: entry.reply.sourcePort)
            return gone.contains(Conntrack.Gone(id: layout.id(of: entry.mark), backend: backend))
        }
        let (address, port) = (entry.original.destination, entry.original.destinationPort)
        if addresses.contains(Backend(address: address, port: port)) { return true }
        guard nodeAddresses.contains(address) else { return false }
        return nodePorts.contains(port) || hostPorts.contains(port)
    }
}
