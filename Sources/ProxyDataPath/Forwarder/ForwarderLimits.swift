import Glibc

/// The bounds of forwarding, each with its reason.
struct ForwarderLimits: Sendable {
    /// Threads that forward, each with sockets of its own: one for each processor.
    var loops: Int
    /// Descriptors of sockets and pipes that it may have open at once.
    var descriptors: Int
    /// TCP connections at once, for all loops together. What is over it is refused by a reset.
    var connections: Int
    /// UDP flows at once, for each loop: a new one ends the one that was silent for longest.
    var flowsPerLoop: Int
    /// Full reads after which bytes are moved by splice.
    var fullReadsBeforeSplice = 2
    /// How long a busy loop looks for events before it sleeps: waking a sleeping processor costs as much.
    var spinNanos: UInt64 = 50_000

    /// One attempt to reach an endpoint. TCP's first repetition comes after a second, its second after three.
    var connectTimeoutMs: UInt32 = 2_500
    /// Connections over which nothing has passed for so long end; as conntrack has it under kube-proxy.
    var idleSeconds: UInt32 = 24 * 3600
    /// The same with one side's end seen: the other may go on, but not for ever.
    var halfClosedSeconds: UInt32 = 3600
    /// Between looks at idle connections, while there are any.
    var sweepSeconds: UInt32 = 60
    /// UDP flows that are silent for so long end.
    var flowIdleMs: UInt32 = 60_000

    /// Endpoints that are tried for one connection.
    static let attempts: UInt8 = 4
    /// For how long an endpoint that could not be reached is passed over where there are others.
    static let avoidMs: UInt32 = 5_000
    /// Connections that are silent for so long have their endpoint asked whether it lives (clients always are).
    static let keepAliveAfterSeconds: UInt32 = 60
    /// Taken from one listener before others have their turn.
    static let acceptTurn = 64
    /// The largest datagram that there is.
    static let datagramBytes = 64 << 10
    /// Endpoints of one service port.
    static let backendsPerPool = 65_535

    /// For this process: what RLIMIT_NOFILE leaves to it, as the rest of the daemon needs descriptors, too.
    static func standard(loops: Int? = nil, connections: Int? = nil) -> ForwarderLimits {
        var limit = rlimit()
        var descriptors = 512
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            let all = Int(clamping: limit.rlim_cur)
            // A million connections need 96 bytes each here, and some kilobytes each in the kernel.
            descriptors = min(2_000_000, max(64, all - max(512, all / 16)))
        }
        let processors = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        return ForwarderLimits(
            loops: min(max(1, loops ?? processors), 64), descriptors: descriptors,
            connections: min(connections ?? .max, descriptors / 2),
            flowsPerLoop: max(16, min(16_384, descriptors / 4)))
    }
}
