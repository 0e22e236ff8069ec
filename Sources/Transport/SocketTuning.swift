import Glibc
import NIOCore
import NIOPosix

/// What all our TCP connections want.
enum SocketTuning {
    private static let options: [(ChannelOptions.Types.SocketOption, SocketOptionValue)] = [
        // Small answers must not wait for the peer's acknowledgement.
        (.tcpOption(.tcp_nodelay), 1),
        // Watches are silent for minutes: a peer that has vanished is noticed after 30 s + 4 × 10 s.
        (.socketOption(.so_keepalive), 1),
        (.tcpOption(.init(rawValue: TCP_KEEPIDLE)), 30),
        (.tcpOption(.init(rawValue: TCP_KEEPINTVL)), 10),
        (.tcpOption(.init(rawValue: TCP_KEEPCNT)), 4),
        // Sent data that is not acknowledged, or a window that stays shut, for a minute ends the connection (ms).
        (.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), 60_000),
    ]

    /// On the channel's event loop.
    static func apply(to channel: any Channel) throws {
        guard let syncOptions = channel.syncOptions else { return }
        for (option, value) in options { try syncOptions.setOption(option, value: value) }
    }

    /// For a connection whose peer may stop reading for as long as it likes (a shell whose output somebody pages
    /// through): what is sent is given up when the kernel does, as without us.
    static func letPeerPause(_ channel: any Channel) throws {
        try channel.syncOptions?.setOption(.tcpOption(.init(rawValue: TCP_USER_TIMEOUT)), value: 0)
    }

    static func apply(to bootstrap: ClientBootstrap) -> ClientBootstrap {
        options.reduce(bootstrap) { $0.channelOption($1.0, value: $1.1) }
    }
}
