import KubeAPI
import Logging
import Transport

/// The running daemon's node API on its unix socket: what commands on the node ask without an API server.
struct NodeSocket {
    let path: String

    /// Whether a daemon of this root listens.
    /// - Returns: the answer's document; nil where no daemon runs.
    /// - Throws: `CommandError` where a daemon runs and does not answer as it should.
    func get(_ target: String) async throws -> JSON? {
        guard Files.exists(path) else { return nil }
        let loops = EventLoops(count: 1)
        let result: Result<JSON?, CommandError>
        do {
            let client = HTTPClient(
                loops: loops, unixSocket: path, log: Logger(label: "node") { _ in SwiftLogNoOpLogHandler() })
            let answer = try await client.send("GET", "http://localhost\(target)", timeout: .seconds(10))
            client.shutdown()
            if answer.status == 200 {
                result = .success(try JSON.parse(answer.body))
            } else {
                result = .failure(
                    CommandError("cannot ask the daemon at \(path): it answered \(target) with status \(answer.status)")
                )
            }
        } catch let error as TransportError where error.code == .cannotConnect {
            // A socket that a killed daemon left: nobody is there.
            result = .success(nil)
        } catch {
            result = .failure(CommandError("cannot ask the daemon at \(path): \(error)"))
        }
        await loops.shutdown()
        return try result.get()
    }
}
