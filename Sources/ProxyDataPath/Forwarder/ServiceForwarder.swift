import Kernel
import KubeAPI
import Logging

/// The forwarder by itself, told what to forward by its user instead of a cluster.
public final class ServiceForwarder: Sendable {
    /// One address and port that is forwarded.
    public struct Rule: Sendable {
        public var proto: TransportProtocol
        public var address: IPAddress
        public var port: UInt16
        public var endpoints: [(address: IPAddress, port: UInt16)]
        /// Clients keep their endpoint for so long.
        public var affinitySeconds: Int?
        /// Clients that are served; nil for all.
        public var sources: [CIDR]?

        public init(
            proto: TransportProtocol, address: IPAddress, port: UInt16,
            endpoints: [(address: IPAddress, port: UInt16)], affinitySeconds: Int? = nil, sources: [CIDR]? = nil
        ) {
            self.proto = proto
            self.address = address
            self.port = port
            self.endpoints = endpoints
            self.affinitySeconds = affinitySeconds
            self.sources = sources
        }
    }

    /// How it works, where the usual is not wanted.
    public struct Options: Sendable {
        /// Threads; nil for one per processor.
        public var threads: Int?
        /// TCP connections at once; nil for what the limit on descriptors allows.
        public var connections: Int?
        /// Full reads of a connection after which its bytes are spliced instead of copied.
        public var fullReadsBeforeSplice = 2
        /// How long a busy thread looks for more before it sleeps.
        public var spinMicroseconds = 50

        public init() {}
    }

    private let forwarder: Forwarder

    public init(_ options: Options, log: Logger) throws {
        var limits = ForwarderLimits.standard(loops: options.threads, connections: options.connections)
        limits.fullReadsBeforeSplice = options.fullReadsBeforeSplice
        limits.spinNanos = UInt64(max(0, options.spinMicroseconds)) * 1000
        forwarder = try Forwarder(nodeAddress: IPAddress(ipv4: 0x7f00_0001), limits: limits, log: log)
    }

    /// Makes these all rules that there are, and returns what could not be done of them.
    public func forward(_ rules: [Rule]) throws -> [String] {
        let ports = rules.map { rule in
            let name = ServicePortName(
                service: "forward", port: "\(rule.address):\(rule.port)", proto: rule.proto)
            let front = Front(.address(rule.address, rule.port), rule.proto, isExternal: true, sources: rule.sources)
            return ServicePortState(
                name: name, fronts: [front],
                backends: rule.endpoints.map { Backend(address: $0.address, port: $0.port) },
                affinitySeconds: rule.affinitySeconds)
        }
        try forwarder.apply([ServiceChange(service: "forward", ports: ports)])
        return forwarder.takeProblems()
    }

    public var counts: ForwarderCounts { forwarder.counts }
    /// TCP connections that it takes at once.
    public var connectionLimit: Int { forwarder.limits.connections }

    /// Ends all connections before it returns.
    public func stop() { forwarder.stop() }
}
