import Glibc
import Kernel

/// Other owners of packet filters who cut pods off: no rule of ours can undo that a chain of theirs drops.
enum FirewallChecks {
    typealias Finding = Preflight.Finding

    /// The ranges that remedies speak of, as `--cluster-cidr` and `--service-cidr` have them unless told otherwise.
    private static let pods = "10.244.0.0/16"
    private static let services = "10.96.0.0/16"

    static func all() -> [Finding] {
        do throws(KernelError) {
            let chains = try FilterChains.all()
            let findings = [firewalld(chains), ufw(chains), policy(chains)].compactMap { $0 }
            return findings.isEmpty
                ? [.ok("firewalls", "no other filter drops what is forwarded by default")] : findings
        } catch {
            return [
                .warning("firewalls", "\(error)", "run as root; look yourself: nft list ruleset, iptables -S FORWARD")
            ]
        }
    }

    private static func firewalld(_ chains: [FilterChain]) -> Finding? {
        guard chains.contains(where: { $0.table == "firewalld" }) else { return nil }
        return .warning(
            "firewalld", "it rejects what is forwarded between its zones, pods' packets too",
            "firewall-cmd --permanent --zone=trusted --add-source=\(pods) --add-source=\(services) && "
                + "firewall-cmd --reload")
    }

    private static func ufw(_ chains: [FilterChain]) -> Finding? {
        let isActive = chains.contains { $0.name.hasPrefix("ufw-") }
        let isEnabled =
            (KernelFile.readIfPresent("/etc/ufw/ufw.conf") ?? "").split(separator: "\n").contains("ENABLED=yes")
        guard isActive || isEnabled, chains.contains(where: \.drops) else { return nil }
        return .warning(
            "ufw", "it drops what is forwarded, pods' packets too",
            "ufw route allow from \(pods) && ufw route allow to \(pods) && ufw allow from \(pods)")
    }

    private static func policy(_ chains: [FilterChain]) -> Finding? {
        let dropping = chains.filter(\.drops)
        guard !dropping.isEmpty else { return nil }
        let names = dropping.map { "\($0.family) \($0.table) \($0.name)" }.joined(separator: ", ")
        let isDocker = chains.contains { $0.name == "DOCKER-USER" || $0.name == "DOCKER" }
        let isIPTables = dropping.contains { $0.name == "FORWARD" && $0.table == "filter" }
        let legacy = dropping.contains { $0.family.hasSuffix("(legacy)") } ? "-legacy" : ""
        let chain = isDocker ? "DOCKER-USER" : "FORWARD"
        let accept = ["-s", "-d"].map { "iptables\(legacy) -I \(chain) \($0) \(pods) -j ACCEPT" }.joined(
            separator: " && ")
        let remedy =
            isIPTables
            ? "\(accept) (again after each boot), or iptables\(legacy) -P FORWARD ACCEPT"
            : dropping.map { "nft insert rule \($0.family) \($0.table) \($0.name) ip saddr \(pods) accept" }
                .joined(separator: " && ") + " (and the same with daddr)"
        return .warning(
            "forward policy",
            "\(names) drop\(dropping.count == 1 ? "s" : "") what is forwarded by default"
                + (isDocker ? " (Docker sets this)" : "")
                + ": pods are cut off unless a rule there accepts their range",
            remedy)
    }
}
