/// The protocols that services carry, by their numbers in IP headers.
public enum TransportProtocol: UInt8, Sendable, Hashable, Comparable {
    case tcp = 6
    case udp = 17
    case sctp = 132

    /// From a service's or a pod's field: `TCP`, `UDP`, `SCTP`; nil for all else.
    init?(field: String) {
        switch field {
        case "TCP": self = .tcp
        case "UDP": self = .udp
        case "SCTP": self = .sctp
        default: return nil
        }
    }

    /// As nft writes it.
    var text: String {
        switch self {
        case .tcp: "tcp"
        case .udp: "udp"
        case .sctp: "sctp"
        }
    }

    public static func < (left: TransportProtocol, right: TransportProtocol) -> Bool { left.rawValue < right.rawValue }
}
