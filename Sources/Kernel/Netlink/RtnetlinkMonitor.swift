import CLinux
import Glibc

/// Hears what changes in the network namespace in which it is made.
public final class RtnetlinkMonitor: Sendable {
    public enum Event: Sendable {
        case linkChanged(Link)
        case linkRemoved(Link)
        case addressChanged(LinkAddress)
        case addressRemoved(LinkAddress)
        case routeAdded(Route)
        case routeRemoved(Route)
        /// The kernel had more to say than fits its buffer: all must be read again by a dump.
        case overrun
    }
    /// What to listen to.
    public struct Topics: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let links = Topics(rawValue: 1)
        public static let addresses = Topics(rawValue: 0x10 | 0x100)
        public static let routes = Topics(rawValue: 0x40 | 0x400)
    }

    private let socket: NetlinkSocket
    private let loop: EpollLoop
    private let token: EpollLoop.Token

    /// Calls back on the loop's thread.
    public init(
        _ topics: Topics, on loop: EpollLoop, _ callback: @escaping @Sendable (Event) -> Void
    ) throws(KernelError) {
        let socket = try NetlinkSocket(protocol: NETLINK_ROUTE, groups: topics.rawValue, receiveBufferBytes: 1 << 20)
        self.socket = socket
        self.loop = loop
        token = try loop.watch(socket.descriptor.raw) { _ in Self.drain(socket, callback) }
    }

    /// Ends the calls.
    public func stop() { loop.cancel(token) }

    private static func drain(_ socket: NetlinkSocket, _ callback: (Event) -> Void) {
        while true {
            do throws(KernelError) {
                guard let datagram = try socket.receiveIfAny() else { return }
                for message in NetlinkReader.messages(in: datagram) {
                    if let event = event(message) { callback(event) }
                }
            } catch {
                guard error.code == ENOBUFS else { return }
                callback(.overrun)
            }
        }
    }

    private static func event(_ message: NetlinkReader.Message) -> Event? {
        switch Int(message.type) {
        case Int(RTM_NEWLINK): Link(message.body).map { .linkChanged($0) }
        case Int(RTM_DELLINK): Link(message.body).map { .linkRemoved($0) }
        case Int(RTM_NEWADDR): LinkAddress(message.body).map { .addressChanged($0) }
        case Int(RTM_DELADDR): LinkAddress(message.body).map { .addressRemoved($0) }
        case Int(RTM_NEWROUTE): Route(message.body).map { .routeAdded($0) }
        case Int(RTM_DELROUTE): Route(message.body).map { .routeRemoved($0) }
        default: nil
        }
    }
}
