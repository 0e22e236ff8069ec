import KubeAPI
import Kernel

/// Refuses to start beside another daemon of the same network namespace that uses addresses of ours: two of them would
/// answer each other's pods and services.
struct RangeClaim: ~Copyable {
    /// A node gives pods addresses, a server services theirs: a server and a node of another root share both.
    enum Kind: String, CaseIterable {
        case node = "swiftlet-ranges"
        case server = "swiftlet-server-ranges"
    }

    private let claim: NamespaceClaim

    /// - Parameters:
    ///   - kind: among whom ranges must not overlap.
    ///   - role: distinguishes processes of one root, which share their ranges; empty for the only one.
    ///   - ranges: what this daemon gives addresses from: the pod and service ranges.
    /// - Throws: `CommandError` naming both ranges and the other daemon's tag.
    init(_ kind: Kind, tag: String, role: String = "", ranges: [CIDR]) throws {
        do {
            for text in try NamespaceClaim.all(prefix: kind.rawValue) { try Self.check(text, tag: tag, ranges) }
            claim = try NamespaceClaim(
                prefix: kind.rawValue,
                ([tag] + ranges.map(\.description) + (role.isEmpty ? [] : [role])).joined(separator: " "))
        } catch let error as KernelError {
            throw CommandError("cannot claim the node's address ranges: \(error)")
        }
    }

    private static func check(_ claim: String, tag: String, _ ranges: [CIDR]) throws(CommandError) {
        let parts = claim.split(separator: " ").map(String.init)
        guard let other = parts.first, other != tag else { return }
        for taken in parts.dropFirst().compactMap({ CIDR($0) }) {
            guard let range = ranges.first(where: { $0.overlaps(taken) }) else { continue }
            throw CommandError(
                "cannot start: the range \(range) overlaps \(taken) of another daemon (tag \(other)) in this network "
                    + "namespace; choose other ranges by --cluster-cidr and --service-cidr")
        }
    }
}
