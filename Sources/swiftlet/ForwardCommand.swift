import ArgumentParser
import KubeAPI
import Logging
import ProxyDataPath

/// `swiftlet forward`: the proxy's userspace forwarder by itself, without a cluster.
struct ForwardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward", abstract: "Forward TCP and UDP to endpoints, as the userspace proxy does.",
        discussion: """
            Each rule is protocol/address:port=endpoint[,endpoint...], with IPv6 addresses in brackets:
              swiftlet forward tcp/10.96.0.10:80=10.244.0.5:8080,10.244.0.6:8080 udp/[fd00::a]:53=[fd00:1::5]:53
            The addresses need not be on a link, but packets to them must come here: \
            ip route add local 10.96.0.10 dev lo. Ends on SIGTERM, and says what it has done.
            """)

    @Argument(help: "What to forward.")
    var rules: [String]
    @Option(help: "Threads (default: one for each processor).")
    var threads: Int?
    @Option(help: "TCP connections at once (default: what the limit on descriptors allows).")
    var connections: Int?
    @Option(help: "A client keeps its endpoint for that many seconds (default: it does not).")
    var affinitySeconds: Int?
    @Option(name: .customLong("source"), help: "Clients that are served, as a range; may be given several times.")
    var sources: [String] = []
    @Option(help: "Reads that fill the buffer, after which bytes are spliced; 255 for never.")
    var spliceAfter = 2
    @Option(help: "How long a busy thread looks for more before it sleeps, in microseconds.")
    var spinMicros = 50
    @Flag(help: "Log at level debug.")
    var debug = false

    func validate() throws {
        _ = try parsedRules()
        guard threads ?? 1 > 0, connections ?? 1 > 0, affinitySeconds ?? 1 > 0, spinMicros >= 0,
            (0...255).contains(spliceAfter)
        else { throw ValidationError("numbers must be positive") }
    }

    func run() async throws {
        let signals = try TerminationSignals()
        let log = Logger(label: "forward") { ConsoleLog(label: $0, level: debug ? .debug : .info) }
        var options = ServiceForwarder.Options()
        options.threads = threads
        options.connections = connections
        options.fullReadsBeforeSplice = spliceAfter
        options.spinMicroseconds = spinMicros
        let forwarder = try ServiceForwarder(options, log: log)
        let problems = try forwarder.forward(parsedRules())
        guard problems.isEmpty else {
            throw CommandError("cannot forward: \(problems.joined(separator: "; "))")
        }
        log.info(
            "forwarding", metadata: ["rules": "\(rules.count)", "connections": "\(forwarder.connectionLimit)"])
        await signals.next()
        forwarder.stop()
        let counts = forwarder.counts
        log.info(
            "stopped",
            metadata: [
                "accepted": "\(counts.accepted)", "refused": "\(counts.refusedByLimit + counts.refusedBySource)",
                "unreachable": "\(counts.unreachable)", "bytes": "\(counts.bytes)", "flows": "\(counts.flowsOpened)",
            ])
    }

    private func parsedRules() throws -> [ServiceForwarder.Rule] {
        let ranges = try sources.map { text in
            guard let range = CIDR(text) else { throw ValidationError("--source \(text): it must be a range") }
            return range
        }
        return try rules.map { text in
            let parts = text.split(separator: "=", maxSplits: 1)
            let front = parts.first?.split(separator: "/", maxSplits: 1) ?? []
            let protocols: [Substring: TransportProtocol] = ["tcp": .tcp, "udp": .udp]
            guard parts.count == 2, front.count == 2, let proto = protocols[front[0]], let place = Self.place(front[1])
            else { throw ValidationError("\(text): it must be protocol/address:port=endpoint,...") }
            let endpoints = try parts[1].split(separator: ",").map { endpoint in
                guard let place = Self.place(endpoint) else {
                    throw ValidationError("\(endpoint): it must be address:port")
                }
                return place
            }
            return ServiceForwarder.Rule(
                proto: proto, address: place.address, port: place.port, endpoints: endpoints,
                affinitySeconds: affinitySeconds, sources: ranges.isEmpty ? nil : ranges)
        }
    }

    private static func place(_ text: Substring) -> (address: IPAddress, port: UInt16)? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { return nil }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        return IPAddress(String(host)).map { ($0, port) }
    }
}
