import CNetfilter
import Glibc

extension NftExpression {
    /// The kernel puts a number in the place of %d.
    static let anonymousSet = "__set%d"

    /// Every fourth word has the number of a register of 16 bytes, as the kernel tells of it; the others their own.
    private static func register(_ word: UInt32) -> UInt32 { word % 4 == 0 ? 1 + word / 4 : 8 + word }

    /// The expression as an object of libnftnl, which the caller owns.
    func make(protocolSet: UInt32) -> OpaquePointer? {
        guard let object = nftnl_expr_alloc(name) else { return nil }
        func number(_ attribute: Int, _ value: UInt32) { nftnl_expr_set_u32(object, UInt16(attribute), value) }
        func register(_ attribute: Int, _ word: UInt32) { number(attribute, Self.register(word)) }
        func data(_ attribute: Int, _ bytes: [UInt8]) {
            nftnl_expr_set(object, UInt16(attribute), bytes, UInt32(bytes.count))
        }
        func text(_ attribute: Int, _ text: String) { nftnl_expr_set_str(object, UInt16(attribute), text) }

        switch self {
        case .payload(let part, let offset, let count, let word):
            register(NFTNL_EXPR_PAYLOAD_DREG, word)
            let base = part == .network ? NFT_PAYLOAD_NETWORK_HEADER : NFT_PAYLOAD_TRANSPORT_HEADER
            number(NFTNL_EXPR_PAYLOAD_BASE, base.rawValue)
            number(NFTNL_EXPR_PAYLOAD_OFFSET, offset)
            number(NFTNL_EXPR_PAYLOAD_LEN, count)
        case .meta(let key, let word):
            register(NFTNL_EXPR_META_DREG, word)
            number(NFTNL_EXPR_META_KEY, (key == .protocolNumber ? NFT_META_L4PROTO : NFT_META_IIF).rawValue)
        case .connection(let key, let word):
            register(NFTNL_EXPR_CT_DREG, word)
            switch key {
            case .mark: number(NFTNL_EXPR_CT_KEY, NFT_CT_MARK.rawValue)
            case .status: number(NFTNL_EXPR_CT_KEY, NFT_CT_STATUS.rawValue)
            case .state: number(NFTNL_EXPR_CT_KEY, NFT_CT_STATE.rawValue)
            case .originalDestination(let family):
                number(NFTNL_EXPR_CT_KEY, (family == .ipv4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6).rawValue)
                nftnl_expr_set_u8(object, UInt16(NFTNL_EXPR_CT_DIR), 0)
            }
        case .setMark(let word):
            register(NFTNL_EXPR_CT_SREG, word)
            number(NFTNL_EXPR_CT_KEY, NFT_CT_MARK.rawValue)
        case .bitwise(let word, let mask, let xor):
            register(NFTNL_EXPR_BITWISE_SREG, word)
            register(NFTNL_EXPR_BITWISE_DREG, word)
            number(NFTNL_EXPR_BITWISE_LEN, UInt32(mask.count))
            data(NFTNL_EXPR_BITWISE_MASK, mask)
            data(NFTNL_EXPR_BITWISE_XOR, xor)
        case .compare(let word, let isEqual, let bytes):
            register(NFTNL_EXPR_CMP_SREG, word)
            number(NFTNL_EXPR_CMP_OP, (isEqual ? NFT_CMP_EQ : NFT_CMP_NEQ).rawValue)
            data(NFTNL_EXPR_CMP_DATA, bytes)
        case .lookup(let word, let set, let target, let isVerdict):
            register(NFTNL_EXPR_LOOKUP_SREG, word)
            text(NFTNL_EXPR_LOOKUP_SET, set)
            if isVerdict {
                number(NFTNL_EXPR_LOOKUP_DREG, UInt32(NFT_REG_VERDICT.rawValue))
            } else if let target {
                register(NFTNL_EXPR_LOOKUP_DREG, target)
            }
        case .lookupProtocols(let word):
            register(NFTNL_EXPR_LOOKUP_SREG, word)
            text(NFTNL_EXPR_LOOKUP_SET, Self.anonymousSet)
            number(NFTNL_EXPR_LOOKUP_SET_ID, protocolSet)
        case .random(let limit, let word):
            register(NFTNL_EXPR_NG_DREG, word)
            number(NFTNL_EXPR_NG_MODULUS, limit)
            number(NFTNL_EXPR_NG_TYPE, UInt32(NFT_NG_RANDOM.rawValue))
            number(NFTNL_EXPR_NG_OFFSET, 0)
        case .addressType(let isSource, let word):
            register(NFTNL_EXPR_FIB_DREG, word)
            number(NFTNL_EXPR_FIB_RESULT, UInt32(NFT_FIB_RESULT_ADDRTYPE.rawValue))
            number(NFTNL_EXPR_FIB_FLAGS, UInt32((isSource ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR).rawValue))
        case .translateDestination(let family):
            number(NFTNL_EXPR_NAT_TYPE, UInt32(NFT_NAT_DNAT.rawValue))
            number(NFTNL_EXPR_NAT_FAMILY, family.netfilterNumber)
            register(NFTNL_EXPR_NAT_REG_ADDR_MIN, 0)
            register(NFTNL_EXPR_NAT_REG_PROTO_MIN, UInt32(family.wordCount))
        case .masquerade:
            number(NFTNL_EXPR_MASQ_FLAGS, UInt32(NF_NAT_RANGE_PROTO_RANDOM_FULLY))
        case .reset:
            number(NFTNL_EXPR_REJECT_TYPE, UInt32(NFT_REJECT_TCP_RST.rawValue))
            nftnl_expr_set_u8(object, UInt16(NFTNL_EXPR_REJECT_CODE), 0)
        case .unreachable(let family):
            number(NFTNL_EXPR_REJECT_TYPE, UInt32(NFT_REJECT_ICMP_UNREACH.rawValue))
            // Port unreachable, by its number in ICMP or ICMPv6.
            nftnl_expr_set_u8(object, UInt16(NFTNL_EXPR_REJECT_CODE), family == .ipv4 ? 3 : 4)
        case .verdict(let verdict):
            number(NFTNL_EXPR_IMM_DREG, UInt32(NFT_REG_VERDICT.rawValue))
            switch verdict {
            case .drop: number(NFTNL_EXPR_IMM_VERDICT, UInt32(NF_DROP))
            case .back: number(NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: Int32(NFT_RETURN.rawValue)))
            case .jump(let chain):
                number(NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: Int32(NFT_JUMP.rawValue)))
                text(NFTNL_EXPR_IMM_CHAIN, chain)
            case .go(let chain):
                number(NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: Int32(NFT_GOTO.rawValue)))
                text(NFTNL_EXPR_IMM_CHAIN, chain)
            }
        case .dynamic(let operation, let set, let key, let dataWord, let seconds):
            register(NFTNL_EXPR_DYNSET_SREG_KEY, key)
            register(NFTNL_EXPR_DYNSET_SREG_DATA, dataWord)
            let code =
                switch operation {
                case .add: NFT_DYNSET_OP_ADD
                case .update: NFT_DYNSET_OP_UPDATE
                case .delete: NFT_DYNSET_OP_DELETE
                }
            number(NFTNL_EXPR_DYNSET_OP, UInt32(code.rawValue))
            if seconds > 0 { nftnl_expr_set_u64(object, UInt16(NFTNL_EXPR_DYNSET_TIMEOUT), UInt64(seconds) * 1000) }
            text(NFTNL_EXPR_DYNSET_SET_NAME, set)
        }
        return object
    }

    private var name: String {
        switch self {
        case .payload: "payload"
        case .meta: "meta"
        case .connection, .setMark: "ct"
        case .bitwise: "bitwise"
        case .compare: "cmp"
        case .lookup, .lookupProtocols: "lookup"
        case .random: "numgen"
        case .addressType: "fib"
        case .translateDestination: "nat"
        case .masquerade: "masq"
        case .reset, .unreachable: "reject"
        case .verdict: "immediate"
        case .dynamic: "dynset"
        }
    }
}

extension NftRule {
    /// The rule's expressions in libnftnl's words: what a rule read back is compared by.
    var canonicalText: [String] {
        expressions.compactMap { expression in
            guard let object = expression.make(protocolSet: 0) else { return nil }
            defer { nftnl_expr_free(object) }
            return canonicalNftText(object)
        }
    }
}

/// An expression in libnftnl's words, without what the kernel adds by itself: numbers of anonymous sets, flags of zero,
/// the upper ends of ranges that have none.
func canonicalNftText(_ expression: OpaquePointer) -> String {
    var buffer = [CChar](repeating: 0, count: 512)
    let length = nftnl_expr_snprintf(
        &buffer, buffer.count, expression, UInt32(NFTNL_OUTPUT_DEFAULT.rawValue), 0)
    guard length > 0, let name = nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME)) else { return "" }
    let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    var words = String(decoding: bytes, as: UTF8.self).split(separator: " ").map(String.init)
    func remove(_ word: String, andNext count: Int) {
        guard let index = words.firstIndex(of: word), index + count < words.count else { return }
        words.removeSubrange(index...index + count)
    }
    let kind = String(cString: name)
    switch kind {
    case "lookup":
        if words.last == "0x0" { words.removeLast() }
        words = words.map { $0.hasPrefix("__set") ? "__set" : $0 }
    case "nat":
        remove("addr_max", andNext: 2)
        remove("proto_max", andNext: 2)
        remove("flags", andNext: 1)
    case "dynset": if words.last == "0ms" { words.removeLast(2) }
    default: break
    }
    return ([kind] + words).joined(separator: " ")
}
