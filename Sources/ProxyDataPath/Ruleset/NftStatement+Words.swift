import KubeAPI

/// The words of which our rules are made.
extension NftStatement {
    private static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

    /// Loads the fields into registers from 0 on, as the key of a set.
    private static func load(_ fields: [NftField], from first: UInt32 = 0) -> [NftExpression] {
        var register = first
        return fields.flatMap { field -> [NftExpression] in
            defer { register += UInt32(field.wordCount) }
            switch field {
            case .address(let side, let family): return [load(side, family, into: register)]
            case .sourcePrefix(let length, let family):
                let address = load(.sourceAddress, family, into: register)
                guard length < family.bitCount else { return [address] }
                return [address, cut(register, to: length, family)]
            case .destinationPort: return [.payload(.transport, offset: 2, count: 2, into: register)]
            case .protocolNumber: return [.meta(.protocolNumber, into: register)]
            case .mark: return [.connection(.mark, into: register)]
            case .maskedMark(let mask):
                return [.connection(.mark, into: register), .bitwise(register, mask: bytes(mask), xor: bytes(0))]
            case .maskedMarkWith(let mask, let bits):
                return [.connection(.mark, into: register), .bitwise(register, mask: bytes(mask), xor: bytes(bits))]
            case .random(let limit): return [.random(below: UInt32(limit), into: register)]
            }
        }
    }

    /// All of an address, or its first bytes.
    private static func load(
        _ side: NftSide, _ family: IPAddress.Family, count: Int? = nil, into register: UInt32 = 0
    ) -> NftExpression {
        .payload(
            .network, offset: family.headerOffset(side), count: UInt32(count ?? family.byteCount), into: register)
    }

    /// Leaves that many bits of an address.
    private static func cut(_ register: UInt32, to prefixLength: Int, _ family: IPAddress.Family) -> NftExpression {
        .bitwise(
            register, mask: family.mask(prefixLength).bytes, xor: [UInt8](repeating: 0, count: family.byteCount))
    }

    private static func text(_ fields: [NftField]) -> String { fields.map(\.text).joined(separator: " . ") }

    // MARK: conditions

    /// `ip saddr . ip daddr @hairpin`
    static func isMember(_ fields: NftField..., of set: NftSet) -> NftStatement { isMember(fields, of: set) }
    static func isMember(_ fields: [NftField], of set: NftSet) -> NftStatement {
        NftStatement(
            text: "\(text(fields)) @\(set.name)",
            expressions: load(fields) + [.lookup(0, set: set.name, into: nil, isVerdict: false)])
    }

    /// `ip daddr 10.96.0.0/16`, or with `!=`.
    static func isIn(_ range: CIDR, _ side: NftSide, negated: Bool = false) -> NftStatement {
        let family = range.family
        let text = "\(family.nftText) \(side.text) \(negated ? "!= " : "")\(range)"
        let network = range.network.bytes
        if range.prefixLength % 8 == 0, range.prefixLength > 0 {
            // As nft does it: only the bytes that count.
            let count = range.prefixLength / 8
            return NftStatement(
                text: text,
                expressions: [
                    load(side, family, count: count), .compare(0, isEqual: !negated, Array(network.prefix(count))),
                ])
        }
        return NftStatement(
            text: text,
            expressions: [
                load(side, family), cut(0, to: range.prefixLength, family), .compare(0, isEqual: !negated, network),
            ])
    }

    /// `ip daddr 127.0.0.0/8`, `ip6 daddr ::1`, or with `!=`.
    static func isLoopback(_ family: IPAddress.Family, negated: Bool = false) -> NftStatement {
        let place = family == .ipv4 ? "127.0.0.0/8" : "::1"
        let first = family == .ipv4 ? [127] : IPAddress(ipv6: 1).bytes
        return NftStatement(
            text: "\(family.nftText) daddr \(negated ? "!= " : "")\(place)",
            expressions: [
                load(.destinationAddress, family, count: first.count), .compare(0, isEqual: !negated, first),
            ])
    }

    /// `fib daddr type local`, or with `!=`.
    static func isLocal(source: Bool, negated: Bool = false) -> NftStatement {
        NftStatement(
            text: "fib \(source ? "saddr" : "daddr") type \(negated ? "!= " : "")local",
            // RTN_LOCAL
            expressions: [.addressType(isSource: source, into: 0), .compare(0, isEqual: !negated, bytes(2))])
    }

    /// `iif "lo"`, whose number is 1 everywhere.
    static func fromLoopback(negated: Bool = false) -> NftStatement {
        NftStatement(
            text: "iif \(negated ? "!= " : "")\"lo\"",
            expressions: [.meta(.inputLink, into: 0), .compare(0, isEqual: !negated, bytes(1))])
    }

    static let isTCP = NftStatement(
        text: "meta l4proto tcp", expressions: [.meta(.protocolNumber, into: 0), .compare(0, isEqual: true, [6])])

    /// nft wants it before a translation that has ports.
    static let hasPorts = NftStatement(
        text: "meta l4proto { tcp, udp, sctp }", expressions: [.meta(.protocolNumber, into: 0), .lookupProtocols(0)])

    static func markHas(_ mask: UInt32, equal value: UInt32) -> NftStatement {
        NftStatement(
            text: "ct mark & \(hex(mask)) == \(hex(value))",
            expressions: [
                .connection(.mark, into: 0), .bitwise(0, mask: bytes(mask), xor: bytes(0)),
                .compare(0, isEqual: true, bytes(value)),
            ])
    }

    /// The connection's destination was translated: IPS_DST_NAT.
    static let isTranslated = NftStatement(
        text: "ct status dnat",
        expressions: [
            .connection(.status, into: 0), .bitwise(0, mask: bytes(0x20), xor: bytes(0)),
            .compare(0, isEqual: false, bytes(0)),
        ])

    /// `ip saddr != 192.0.2.2`
    static func isNot(_ address: IPAddress, _ side: NftSide) -> NftStatement {
        NftStatement(
            text: "\(address.family.nftText) \(side.text) != \(address)",
            expressions: [load(side, address.family), .compare(0, isEqual: false, address.bytes)])
    }

    /// What the connection was made to, before any translation, is not in the range.
    static func wasNotSent(to range: CIDR) -> NftStatement {
        let family = range.family
        let isWhole = range.prefixLength == family.bitCount
        return NftStatement(
            text: "ct original \(family.nftText) daddr != \(isWhole ? "\(range.network)" : "\(range)")",
            expressions: [.connection(.originalDestination(family), into: 0)]
                + (isWhole ? [] : [cut(0, to: range.prefixLength, family)])
                + [.compare(0, isEqual: false, range.network.bytes)])
    }

    /// The packet fits no connection that conntrack knows: NF_CT_STATE_INVALID_BIT.
    static let isInvalid = NftStatement(
        text: "ct state invalid",
        expressions: [
            .connection(.state, into: 0), .bitwise(0, mask: bytes(1), xor: bytes(0)),
            .compare(0, isEqual: false, bytes(0)),
        ])

    // MARK: changes

    /// `ct mark set ip daddr . meta l4proto . th dport map @services`: goes no further where there is no such element.
    static func setMark(to fields: NftField..., in map: NftSet) -> NftStatement { setMark(to: fields, in: map) }
    static func setMark(to fields: [NftField], in map: NftSet) -> NftStatement {
        NftStatement(
            text: "ct mark set \(text(fields)) map @\(map.name)",
            expressions: load(fields) + [.lookup(0, set: map.name, into: 0, isVerdict: false), .setMark(from: 0)])
    }

    static func addToMark(_ bits: UInt32) -> NftStatement {
        NftStatement(
            text: "ct mark set ct mark | \(hex(bits))",
            expressions: [
                .connection(.mark, into: 0), .bitwise(0, mask: bytes(~bits), xor: bytes(bits)), .setMark(from: 0),
            ])
    }

    /// `update @affinity { ip saddr . (ct mark & …) timeout 10800s : ct mark }`
    static func remember(
        _ operation: NftExpression.DynamicOperation, in map: NftSet, _ fields: NftField..., data: NftField,
        seconds: Int = 0
    ) -> NftStatement {
        let word =
            switch operation {
            case .add: "add"
            case .update: "update"
            case .delete: "delete"
            }
        let timeout = seconds > 0 ? " timeout \(seconds)s" : ""
        let dataRegister = UInt32(fields.reduce(0) { $0 + $1.wordCount })
        return NftStatement(
            text: "\(word) @\(map.name) { \(text(fields))\(timeout) : \(data.text) }",
            expressions: load(fields) + load([data], from: dataRegister)
                + [.dynamic(operation, set: map.name, key: 0, data: dataRegister, seconds: seconds)])
    }

    // MARK: ends

    /// `dnat ip to … map @backends`, whose data is an address with a port.
    static func translate(to fields: NftField..., in map: NftSet) -> NftStatement {
        NftStatement(
            text: "dnat \(map.family.nftText) to \(text(fields)) map @\(map.name)",
            expressions: load(fields) + [
                .lookup(0, set: map.name, into: 0, isVerdict: false), .translateDestination(map.family),
            ])
    }

    /// `ct mark & … vmap @picks`
    static func branch(on field: NftField, in map: NftSet) -> NftStatement {
        NftStatement(
            text: "\(field.text) vmap @\(map.name)",
            expressions: load([field]) + [.lookup(0, set: map.name, into: nil, isVerdict: true)])
    }

    /// With a source port at random: two connections that start at once must not choose the same.
    static let masquerade = NftStatement(text: "masquerade fully-random", expressions: [.masquerade])
    static let reset = NftStatement(text: "reject with tcp reset", expressions: [.reset])
    static func unreachable(_ family: IPAddress.Family) -> NftStatement {
        NftStatement(text: "reject", expressions: [.unreachable(family)])
    }
    static let drop = NftStatement(text: "drop", expressions: [.verdict(.drop)])
    /// Back to the chain that jumped here.
    static let back = NftStatement(text: "return", expressions: [.verdict(.back)])
    static func jump(_ chain: String) -> NftStatement {
        NftStatement(text: "jump \(chain)", expressions: [.verdict(.jump(chain))])
    }
    static func go(_ chain: String) -> NftStatement {
        NftStatement(text: "goto \(chain)", expressions: [.verdict(.go(chain))])
    }
}
