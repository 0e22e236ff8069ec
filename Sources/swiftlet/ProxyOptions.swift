import ArgumentParser
import KubeAPI
import ProxyDataPath

/// Flags of the service proxy, by the names that they have for kube-proxy where it has them.
struct ProxyOptions: ParsableArguments {
    @Option(help: "Ranges of the node's addresses that answer node ports, comma-separated (default: the node's own).")
    var nodeportAddresses = "primary"
    @Flag(help: "Give every connection to a service the node's address.")
    var masqueradeAll = false
    @Option(help: "Longest wait for a deleted pod's connections before it is told to end; 0 is off.")
    var endpointDrain = "1s"
    @Option(help: "Address of the proxy's metrics; empty is none.")
    var metricsBindAddress = "127.0.0.1:10249"
    @Option(help: "Address of the proxy's health; empty is none.")
    var healthzBindAddress = "0.0.0.0:10256"
    @Option(help: "Connections per processor that conntrack can hold at least; 0 leaves its limit alone.")
    var conntrackMaxPerCore = 32_768
    @Option(help: "Connections that conntrack can hold at least, whatever the processors.")
    var conntrackMin = 131_072
    @Option(help: "How long conntrack remembers silent connections at least; 0 leaves it alone.")
    var conntrackTcpTimeoutEstablished = "24h"
    @Option(help: "How long conntrack remembers half-closed connections at least; 0 leaves it alone.")
    var conntrackTcpTimeoutCloseWait = "1h"

    func validate() throws {
        _ = try nodePortRanges
        for (name, text) in [
            ("endpoint-drain", endpointDrain), ("conntrack-tcp-timeout-established", conntrackTcpTimeoutEstablished),
            ("conntrack-tcp-timeout-close-wait", conntrackTcpTimeoutCloseWait),
        ] where Self.duration(text) == nil {
            throw ValidationError("--\(name) \(text): it must be a duration such as 1s or 0")
        }
        for (name, text) in [
            ("metrics-bind-address", metricsBindAddress), ("healthz-bind-address", healthzBindAddress),
        ] where !text.isEmpty && Self.place(text) == nil {
            throw ValidationError("--\(name) \(text): it must be ADDRESS:PORT, or empty")
        }
        guard conntrackMaxPerCore >= 0, conntrackMin >= 0 else {
            throw ValidationError("--conntrack-max-per-core and --conntrack-min can't be negative")
        }
    }

    /// Empty: the node's own address.
    var nodePortRanges: [CIDR] {
        get throws {
            guard nodeportAddresses != "primary", !nodeportAddresses.isEmpty else { return [] }
            return try nodeportAddresses.split(separator: ",").map { text in
                guard let range = CIDR(String(text)) else {
                    throw ValidationError(
                        "--nodeport-addresses \(nodeportAddresses): it must be primary or ranges such as 192.0.2.0/24")
                }
                return range
            }
        }
    }

    var drainLimit: Duration { Self.duration(endpointDrain) ?? .seconds(1) }

    var conntrack: ConntrackSettings {
        ConntrackSettings(
            maxPerCore: conntrackMaxPerCore, minimum: conntrackMin,
            establishedSeconds: Self.seconds(conntrackTcpTimeoutEstablished),
            closeWaitSeconds: Self.seconds(conntrackTcpTimeoutCloseWait))
    }

    private static func duration(_ text: String) -> Duration? { text == "0" ? .zero : Duration(goDuration: text) }
    private static func seconds(_ text: String) -> Int { Int(duration(text)?.components.seconds ?? 0) }

    /// `127.0.0.1:10249` or `[::1]:10249`.
    static func place(_ text: String) -> (host: String, port: Int)? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return IPAddress(String(host)) == nil ? nil : (String(host), port)
    }
}
