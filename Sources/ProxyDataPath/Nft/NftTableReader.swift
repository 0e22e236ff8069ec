import CNetfilter
import Glibc
import Kernel
import KubeAPI

/// Reads a table back by dumps.
struct NftTableReader {
    let table: String
    let family: IPAddress.Family
    let socket: Int32
    private var sequence: UInt32 = UInt32.random(in: 1 << 30..<1 << 31)
    private var generation: UInt16?

    init(table: String, family: IPAddress.Family, socket: Int32) {
        self.table = table
        self.family = family
        self.socket = socket
    }

    /// Two levels: nil where a change came in between; then nil where there is no such table.
    mutating func read(_ receiver: inout NftReceiver) throws(KernelError) -> AppliedState?? {
        guard let names = try query(NFT_MSG_GETTABLE, &receiver, { $0.attributes.first { $0.type == 1 }?.value.text })
        else { return nil }
        guard names.contains(table) else { return .some(nil) }
        var state = AppliedState()
        guard try readChains(&state, &receiver), try readRules(&state, &receiver), try readSets(&state, &receiver)
        else { return nil }
        for kind in NftSet.Kind.allCases where !kind.isDynamic {
            guard let set = state.set(kind) else { continue }
            guard try readElements(set, &state, &receiver) else { return nil }
        }
        return state
    }

    mutating func tables(_ receiver: inout NftReceiver) throws(KernelError) -> [String] {
        try query(NFT_MSG_GETTABLE, &receiver) { $0.attributes.first { $0.type == 1 }?.value.text } ?? []
    }

    /// Sends a dump request and collects what the body makes of each message; nil where a change came in between.
    private mutating func query<Item>(
        _ type: nf_tables_msg_types, table: String = "", set: String = "", _ receiver: inout NftReceiver,
        _ body: (NftReceiver.Message) -> Item?
    ) throws(KernelError) -> [Item]? {
        sequence &+= 1
        let number = sequence
        var request = NftBuffer(capacity: 4096)
        request.append(UInt32(0))
        request.append(UInt16(NFNL_SUBSYS_NFTABLES << 8) | UInt16(type.rawValue))
        request.append(UInt16(NLM_F_REQUEST | NLM_F_DUMP))
        request.append(number)
        request.append(UInt32(0))
        request.append(family.netfilterNumber)
        // Table and set have the same numbers in all requests.
        if !table.isEmpty { request.attribute(1, table) }
        if !set.isEmpty { request.attribute(2, set) }
        request.close(messageAt: 0)
        receiver.discardAll(socket)
        while send(socket, request.bytes, request.count, 0) < 0 {
            if errno != EINTR { throw KernelError("send to", "nf_tables") }
        }
        var items: [Item] = []
        var isTorn = false
        var isDone = false
        var failure: Int32 = 0
        while !isDone {
            guard let datagram = try receiver.receive(socket, wait: true) else { continue }
            datagram.forEachMessage { message in
                guard message.sequence == number else { return }
                if message.flags & UInt16(NLM_F_DUMP_INTR) != 0 { isTorn = true }
                switch message.type {
                case UInt16(NLMSG_DONE): isDone = true
                case UInt16(NLMSG_ERROR):
                    failure = -message.error
                    isDone = true
                default:
                    if generation == nil { generation = message.generation }
                    if generation != message.generation { isTorn = true }
                    if let item = body(message) { items.append(item) }
                }
            }
        }
        guard failure == 0 else {
            if failure == EINTR { return nil }
            throw KernelError("read", "nf_tables", code: failure)
        }
        return isTorn ? nil : items
    }

    private mutating func readChains(_ state: inout AppliedState, _ receiver: inout NftReceiver) throws(KernelError)
        -> Bool
    {
        let table = self.table
        let chains = try query(NFT_MSG_GETCHAIN, table: table, &receiver) { message -> (String, AppliedState.Chain)? in
            guard let object = nftnl_chain_alloc() else { return nil }
            defer { nftnl_chain_free(object) }
            guard nftnl_chain_nlmsg_parse(message.header, object) >= 0 else { return nil }
            func text(_ attribute: nftnl_chain_attr) -> String {
                nftnl_chain_get_str(object, UInt16(attribute.rawValue)).map { String(cString: $0) } ?? ""
            }
            guard text(NFTNL_CHAIN_TABLE) == table else { return nil }
            let isBase = nftnl_chain_is_set(object, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue))
            var hook: NftChain.Hook?
            if isBase, let kind = NftChain.Hook.Kind(rawValue: text(NFTNL_CHAIN_TYPE)),
                let point = NftChain.Hook.Point(
                    rawValue: nftnl_chain_get_u32(object, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue)))
            {
                hook = NftChain.Hook(
                    kind: kind, point: point,
                    priority: nftnl_chain_get_s32(object, UInt16(NFTNL_CHAIN_PRIO.rawValue)))
            }
            return (text(NFTNL_CHAIN_NAME), AppliedState.Chain(hook: hook, isBase: isBase, rules: []))
        }
        guard let chains else { return false }
        for (name, chain) in chains { state.chains[name] = chain }
        return true
    }

    private mutating func readRules(_ state: inout AppliedState, _ receiver: inout NftReceiver) throws(KernelError)
        -> Bool
    {
        let table = self.table
        var used: Set<String> = []
        let rules = try query(NFT_MSG_GETRULE, table: table, &receiver) { message -> (String, [String])? in
            guard let object = nftnl_rule_alloc() else { return nil }
            defer { nftnl_rule_free(object) }
            guard nftnl_rule_nlmsg_parse(message.header, object) >= 0,
                let owner = nftnl_rule_get_str(object, UInt16(NFTNL_RULE_TABLE.rawValue)),
                String(cString: owner) == table,
                let chain = nftnl_rule_get_str(object, UInt16(NFTNL_RULE_CHAIN.rawValue))
            else { return nil }
            var expressions: [String] = []
            guard let iterator = nftnl_expr_iter_create(object) else { return nil }
            defer { nftnl_expr_iter_destroy(iterator) }
            while let expression = nftnl_expr_iter_next(iterator) {
                expressions.append(canonicalNftText(expression))
                if let set = referencedNftSet(expression) { used.insert(set) }
            }
            return (String(cString: chain), expressions)
        }
        guard let rules else { return false }
        for (chain, rule) in rules { state.chains[chain]?.rules.append(rule) }
        state.usedSets = used
        return true
    }

    private mutating func readSets(_ state: inout AppliedState, _ receiver: inout NftReceiver) throws(KernelError)
        -> Bool
    {
        let (table, family) = (table, family)
        let sets = try query(NFT_MSG_GETSET, table: table, &receiver) { message -> (String, NftSet?)? in
            guard let object = nftnl_set_alloc() else { return nil }
            defer { nftnl_set_free(object) }
            guard nftnl_set_nlmsg_parse(message.header, object) >= 0 else { return nil }
            func number(_ attribute: nftnl_set_attr) -> UInt32 { nftnl_set_get_u32(object, UInt16(attribute.rawValue)) }
            func text(_ attribute: nftnl_set_attr) -> String {
                nftnl_set_get_str(object, UInt16(attribute.rawValue)).map { String(cString: $0) } ?? ""
            }
            guard text(NFTNL_SET_TABLE) == table, number(NFTNL_SET_FLAGS) & UInt32(NFT_SET_ANONYMOUS.rawValue) == 0
            else { return nil }
            let name = text(NFTNL_SET_NAME)
            guard let set = NftSet(name: name, family), number(NFTNL_SET_KEY_LEN) == UInt32(set.keyByteCount),
                number(NFTNL_SET_KEY_TYPE) == NftSet.typeNumber(set.key),
                number(NFTNL_SET_DESC_SIZE) == UInt32(set.size),
                (number(NFTNL_SET_FLAGS) & UInt32(NFT_SET_MAP.rawValue) != 0) == (set.data != .none),
                (number(NFTNL_SET_FLAGS) & UInt32(NFT_SET_TIMEOUT.rawValue) != 0) == set.kind.isDynamic
            else { return (name, nil) }
            if case .fields(let fields) = set.data, number(NFTNL_SET_DATA_TYPE) != NftSet.typeNumber(fields) {
                return (name, nil)
            }
            return (name, set)
        }
        guard let sets else { return false }
        for (name, set) in sets {
            if let set { state.sets.append(set) } else { state.foreignSets.append(name) }
        }
        return true
    }

    private mutating func readElements(_ set: NftSet, _ state: inout AppliedState, _ receiver: inout NftReceiver)
        throws(KernelError) -> Bool
    {
        // By hand: there may be hundreds of thousands.
        var elements: [NftWords: NftWords] = [:]
        var picks: [UInt32: String] = [:]
        let done = try query(NFT_MSG_GETSETELEM, table: table, set: set.name, &receiver) { message -> Bool? in
            for (type, list) in message.attributes where type == Int(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue) {
                for (_, element) in NftAttributes(list) {
                    var key = NftWords(repeating: 0)
                    var data = NftWords(repeating: 0)
                    for (type, value) in NftAttributes(element) {
                        switch type {
                        case Int(NFTA_SET_ELEM_KEY.rawValue):
                            for (_, bytes) in NftAttributes(value) { key = bytes.words }
                        case Int(NFTA_SET_ELEM_DATA.rawValue):
                            for (type, bytes) in NftAttributes(value) {
                                if type == Int(NFTA_DATA_VALUE.rawValue) {
                                    data = bytes.words
                                } else {
                                    picks[key[0]] = pickedChain(bytes)
                                }
                            }
                        default: break
                        }
                    }
                    elements[key] = data
                }
            }
            return nil
        }
        guard done != nil else { return false }
        state.elements[set.kind.rawValue] = elements
        if set.kind == .picks { state.picks = picks }
        return true
    }
}

/// The chain to which a verdict jumps; empty where it does anything else, as elements of earlier versions do.
private func pickedChain(_ verdict: UnsafeRawBufferPointer) -> String {
    var chain = ""
    for (type, part) in NftAttributes(verdict) {
        switch type {
        case Int(NFTA_VERDICT_CODE.rawValue):
            guard part.count == 4,
                part.loadUnaligned(as: UInt32.self).bigEndian == UInt32(bitPattern: Int32(NFT_JUMP.rawValue))
            else { return "" }
        case Int(NFTA_VERDICT_CHAIN.rawValue): chain = part.text
        default: break
        }
    }
    return chain
}

/// The named set to which an expression refers.
private func referencedNftSet(_ expression: OpaquePointer) -> String? {
    guard let name = nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME)) else { return nil }
    let attribute: Int
    switch String(cString: name) {
    case "lookup": attribute = NFTNL_EXPR_LOOKUP_SET
    case "dynset": attribute = NFTNL_EXPR_DYNSET_SET_NAME
    default: return nil
    }
    return nftnl_expr_get_str(expression, UInt16(attribute)).map { String(cString: $0) }
}
