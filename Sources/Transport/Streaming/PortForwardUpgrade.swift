import KubeAPI
import NIOCore

/// Answers a request for port-forward by a change of protocol.
public enum PortForwardUpgrade {
    /// Connects to a port of the pod: a connected socket, which is given away, or the text that tells why there is none.
    public typealias Connect = @Sendable (_ port: UInt16) async -> Result<Int32, PortForwardFailure>

    private static let version = "portforward.k8s.io"
    private static let tunnel = "SPDY/3.1+portforward.k8s.io"
    private static let channels = "v4.channel.k8s.io"
    /// Ports of one WebSocket with channels: two channels each, whose numbers have a byte.
    private static let channelPorts = 100

    /// Throws what to answer instead: the request does not ask for it, or asks for what is not spoken.
    public static func make(
        _ request: HTTPServerRequest, connect: @escaping Connect
    ) throws(StatusError) -> ProtocolSwitch {
        guard WebSocketHandshake.isAsked(by: request) else {
            try StreamUpgrade.checkSPDY(request)
            let version = try StreamUpgrade.choose(StreamUpgrade.offers(request), of: [version])
            return ProtocolSwitch(headers: StreamUpgrade.spdyHeaders(version)) { channel in
                try channel.pipeline.syncOperations.addHandler(spdy(channel, connect))
            }
        }
        let handshake = try WebSocketHandshake(request)
        let choice =
            handshake.offers.isEmpty ? nil : try StreamUpgrade.choose(handshake.offers, of: [tunnel, channels])
        if choice == tunnel {
            return ProtocolSwitch(headers: handshake.headers(choosing: tunnel)) { channel in
                try channel.pipeline.syncOperations.addHandlers([
                    WebSocketHandler(), WebSocketTunnel(), spdy(channel, connect),
                ])
            }
        }
        let ports = try ports(request)
        return ProtocolSwitch(headers: handshake.headers(choosing: choice)) { channel in
            try overChannels(channel, ports, connect)
        }
    }

    /// kubectl: a pair of streams for each connection.
    private static func spdy(_ channel: any Channel, _ connect: @escaping Connect) -> SPDYConnection {
        let session = PortForwardSession(loop: channel.eventLoop, connect: connect)
        return SPDYConnection(
            loop: channel.eventLoop, onStream: { session.take($0) }, onClose: { session.disconnected() })
    }

    /// Clients that know WebSockets alone: for each port of the query a channel of data and one of errors, one
    /// connection each.
    private static func overChannels(
        _ channel: any Channel, _ ports: [UInt16], _ connect: @escaping Connect
    ) throws {
        let session = PortForwardSession(loop: channel.eventLoop, connect: connect)
        let channels = WebSocketChannels(count: 2 * ports.count, knowsEnds: false, loop: channel.eventLoop) {
            session.disconnected()
        }
        try channel.pipeline.syncOperations.addHandlers([WebSocketHandler(), channels])
        for (index, port) in ports.enumerated() {
            let (data, error) = (channels.streams[2 * index], channels.streams[2 * index + 1])
            // Each begins with its port.
            for stream in [data, error] {
                var bytes = ByteBuffer()
                bytes.writeInteger(port, endianness: .little)
                stream.send(bytes)
            }
            error.ignore()
            session.forward(port: port, data: data, error: error)
        }
        session.closeWhenDone(channels)
    }

    private static func ports(_ request: HTTPServerRequest) throws(StatusError) -> [UInt16] {
        let values = request.query.filter { $0.name == "port" || $0.name == "ports" }.map(\.value)
        guard !values.isEmpty else { throw .badRequest("query parameter \"port\" is required") }
        var ports: [UInt16] = []
        for value in values {
            guard !value.isEmpty else { throw .badRequest("query parameter \"port\" cannot be empty") }
            for text in value.split(separator: ",", omittingEmptySubsequences: false) {
                guard let port = UInt16(text) else {
                    throw .badRequest("unable to parse \"\(value)\" as a port: invalid syntax")
                }
                guard port > 0 else { throw .badRequest("port \"\(value)\" must be > 0") }
                ports.append(port)
            }
        }
        guard ports.count <= channelPorts else { throw .badRequest("at most \(channelPorts) ports can be forwarded") }
        return ports
    }
}

/// Why a connection to a pod's port did not come about: the text that its client shows.
public struct PortForwardFailure: Error, Sendable {
    public let text: String
    public init(_ text: String) { self.text = text }
}
