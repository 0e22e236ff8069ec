import CLinux
import Glibc

/// Chains of the node's packet filters that see forwarded packets, with what they do by default.
///
/// A chain that drops there drops what pods send and get, whatever other chains accept: an accept ends its own chain
/// only. Docker, ufw and administrators set such policies.
public struct FilterChain: Sendable, Hashable {
    /// `ip`, `inet`, `ip6`; `ip (legacy)` for the older iptables.
    public let family: String
    public let table: String
    public let name: String
    /// Sees forwarded packets.
    public let isForward: Bool
    /// Drops what no rule of it takes.
    public let drops: Bool
}

/// Reads them in the network namespace of the calling thread; changes nothing.
public enum FilterChains {
    /// The chains of nf_tables, which are iptables' own too where it is iptables-nft, and the older iptables' forward
    /// chain where its table is in use.
    public static func all() throws(KernelError) -> [FilterChain] { try nftables() + legacy() }

    // MARK: nf_tables

    private enum Attribute {
        static let table = 1
        static let name = 3
        static let hook = 4
        static let policy = 5
        static let hookNumber = 1
    }
    /// NF_INET_FORWARD, of the families that have it.
    private static let forwardHook: UInt32 = 2
    private static let families: [UInt8: String] = [1: "inet", 2: "ip", 10: "ip6"]

    private static func nftables() throws(KernelError) -> [FilterChain] {
        let socket: NetlinkSocket
        do throws(KernelError) {
            socket = try NetlinkSocket(protocol: 12)  // NETLINK_NETFILTER
        } catch {
            // A kernel without it has no chains of it.
            if error.code == EPROTONOSUPPORT { return [] }
            throw error
        }
        // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN; struct nfgenmsg of no family in particular.
        var request = NetlinkMessage(type: 10 << 8 | 4, flags: 0)
        request.append(UInt32(0))
        try socket.send(request.finished(sequence: 1, extraFlags: UInt16(NLM_F_REQUEST | NLM_F_DUMP)))
        var chains: [FilterChain] = []
        while true {
            for message in NetlinkReader.messages(in: try socket.receive()) {
                switch message.type {
                case UInt16(NLMSG_DONE): return chains
                case UInt16(NLMSG_ERROR):
                    let code = -NetlinkReader.number(message.body, at: 0, as: Int32.self)
                    // The module is not there, and so no chain either.
                    if [EINVAL, EOPNOTSUPP, ENOENT].contains(code) { return chains }
                    throw KernelError("list", "chains of nf_tables", code: code)
                default: if let chain = chain(message.body) { chains.append(chain) }
                }
            }
        }
    }

    /// From an NFT_MSG_NEWCHAIN; nil for one of another family.
    static func chain(_ body: ArraySlice<UInt8>) -> FilterChain? {
        guard body.count >= 4, let family = families[NetlinkReader.number(body, at: 0)] else { return nil }
        var table = ""
        var name = ""
        var hook: UInt32?
        var policy: UInt32 = 1
        NetlinkReader.attributes(body.dropFirst(4)) { type, value in
            switch type {
            case Attribute.table: table = NetlinkReader.text(value)
            case Attribute.name: name = NetlinkReader.text(value)
            case Attribute.policy: policy = NetlinkReader.number(value, at: 0, as: UInt32.self).byteSwapped
            case Attribute.hook:
                NetlinkReader.attributes(value) { type, value in
                    if type == Attribute.hookNumber {
                        hook = NetlinkReader.number(value, at: 0, as: UInt32.self).byteSwapped
                    }
                }
            default: break
            }
        }
        let isForward = hook == forwardHook
        return FilterChain(
            family: family, table: table, name: name, isForward: isForward, drops: isForward && policy == 0)
    }

    // MARK: the older iptables

    /// struct ipt_getinfo: a name of 32 bytes, the hooks in use, where each hook's rules begin, where each hook's policy
    /// is, the number of rules, their size.
    private static let infoSize = 84
    private static let underflowsOffset = 32 + 4 + 5 * 4
    /// struct ipt_get_entries before its rules.
    private static let entriesOffset = 40
    /// In a rule without matches: struct ipt_entry, struct xt_entry_target, the verdict.
    private static let verdictOffset = 112 + 32
    private static let largestTable = 64 << 20

    private static func legacy() -> [FilterChain] {
        // Asked for a table that is not in use, the kernel would make it.
        let tables = KernelFile.readIfPresent("/proc/net/ip_tables_names") ?? ""
        guard tables.split(separator: "\n").contains("filter") else { return [] }
        let descriptor = socket(AF_INET, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 255)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        guard let info = option(descriptor, 64, size: infoSize),  // IPT_SO_GET_INFO
            let size = Int(exactly: NetlinkReader.number(info, at: infoSize - 4, as: UInt32.self)),
            size <= largestTable,
            // IPT_SO_GET_ENTRIES. Another one has changed the table in between: then there is nothing to tell now.
            let entries = option(descriptor, 65, size: entriesOffset + size, innerSize: UInt32(size))
        else { return [] }
        let underflow = Int(NetlinkReader.number(info, at: underflowsOffset + 4 * Int(forwardHook), as: UInt32.self))
        let verdict = NetlinkReader.number(entries, at: entriesOffset + underflow + verdictOffset, as: Int32.self)
        return [legacyChain(verdict: verdict)]
    }

    /// A policy is written as -1 less the verdict: NF_DROP is 0.
    static func legacyChain(verdict: Int32) -> FilterChain {
        FilterChain(family: "ip (legacy)", table: "filter", name: "FORWARD", isForward: true, drops: verdict == -1)
    }

    private static func option(_ descriptor: Int32, _ name: Int32, size: Int, innerSize: UInt32? = nil)
        -> ArraySlice<UInt8>?
    {
        var bytes = [UInt8](repeating: 0, count: size)
        bytes.replaceSubrange(0..<6, with: Array("filter".utf8))
        if let innerSize { withUnsafeBytes(of: innerSize) { bytes.replaceSubrange(32..<36, with: $0) } }
        var length = socklen_t(size)
        guard getsockopt(descriptor, 0, name, &bytes, &length) == 0 else { return nil }
        return bytes[...]
    }
}
