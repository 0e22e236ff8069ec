import KubeAPI

/// One step of a rule as the kernel runs it. Registers are numbered as words: 0, 1, 2...
enum NftExpression: Sendable, Hashable {
    enum PacketPart: Sendable { case network, transport }
    enum Meta: Sendable { case protocolNumber, inputLink }
    enum ConnectionKey: Sendable, Hashable { case mark, status, state, originalDestination(IPAddress.Family) }
    enum Verdict: Sendable, Hashable {
        case drop
        case back
        case jump(String)
        case go(String)
    }
    enum DynamicOperation: Sendable { case add, update, delete }

    case payload(PacketPart, offset: UInt32, count: UInt32, into: UInt32)
    case meta(Meta, into: UInt32)
    case connection(ConnectionKey, into: UInt32)
    case setMark(from: UInt32)
    case bitwise(UInt32, mask: [UInt8], xor: [UInt8])
    case compare(UInt32, isEqual: Bool, [UInt8])
    /// Breaks off the rule where there is no such element. `into` nil: membership; for a verdict map the verdict.
    case lookup(UInt32, set: String, into: UInt32?, isVerdict: Bool)
    /// In an anonymous set of TCP, UDP and SCTP.
    case lookupProtocols(UInt32)
    case random(below: UInt32, into: UInt32)
    case addressType(isSource: Bool, into: UInt32)
    /// To an address in the first words, and the port behind it.
    case translateDestination(IPAddress.Family)
    case masquerade
    case reset
    case unreachable(IPAddress.Family)
    case verdict(Verdict)
    case dynamic(DynamicOperation, set: String, key: UInt32, data: UInt32, seconds: Int)
}

/// A part of a rule as nft writes it, with what it becomes.
struct NftStatement: Sendable, Hashable {
    let text: String
    let expressions: [NftExpression]
}

/// A rule: its statements in order.
struct NftRule: Sendable, Hashable {
    let statements: [NftStatement]

    init(_ statements: NftStatement...) { self.statements = statements }

    /// As nft writes it.
    var text: String { statements.map(\.text).joined(separator: " ") }
    var expressions: [NftExpression] { statements.flatMap(\.expressions) }
}
