import KubeAPI
import Logging
import Transport

/// Asks the service proxy of this node, in a process of its own, to let a pod's connections end: over its socket. Where
/// no proxy runs, or it does not answer, pods end without waiting.
struct DrainClient: EndpointDrain {
    let socket: String
    let loops: EventLoops
    let log: Logger

    func drain(podUID: String, addresses: [String], limit: Duration) async {
        guard limit > .zero, Files.exists(socket) else { return }
        let client = HTTPClient(loops: loops, unixSocket: socket, log: log)
        defer { client.shutdown() }
        let body: JSON = [
            "podUID": .string(podUID), "addresses": .array(addresses.map { .string($0) }),
            "limitMs": .int(Int64(limit / .milliseconds(1))),
        ]
        do {
            _ = try await client.send(
                "POST", "http://localhost/proxy/drain", headers: [("Content-Type", "application/json")],
                body: body.serialized(), timeout: limit + .seconds(1))
        } catch {
            log.debug("the proxy does not say when connections have ended", metadata: ["err": "\(error)"])
        }
    }
}
