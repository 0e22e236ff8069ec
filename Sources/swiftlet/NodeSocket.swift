import Glibc
import KubeAPI
import Logging
import Transport

/// The running daemon's node API on its unix socket: what commands on the node ask without an API server.
struct NodeSocket {
    let path: String

    /// The answer's document; nil where no daemon runs.
    /// - Throws: `CommandError` where a daemon runs and does not answer as it should.
    func get(_ target: String) async throws -> JSON? {
        try await withClient { client in
            let answer = try await client.send("GET", "http://localhost\(target)", timeout: .seconds(10))
            guard answer.status == 200 else { throw Self.refusal(answer.status, answer.body) }
            return try JSON.parse(answer.body)
        }
    }

    /// The answer's document.
    /// - Parameter purpose: what can't be done without it, as the error says: `list containers`.
    func ask(_ path: String, _ query: [(name: String, value: String)] = [], to purpose: String) async throws -> JSON {
        do {
            guard let answer = try await get(PercentCoding.target(path: path, query: query)) else { throw noDaemon }
            return answer
        } catch let error as CommandError {
            throw CommandError("cannot \(purpose): \(error)")
        }
    }

    /// Hands each piece of an answer on as it comes, until it ends.
    func stream(
        _ path: String, _ query: [(name: String, value: String)] = [], to purpose: String,
        _ body: ([UInt8]) throws -> Void
    ) async throws {
        if try await !streamIfRunning("GET", path, query, to: purpose, body) {
            throw CommandError("cannot \(purpose): \(noDaemon)")
        }
    }

    /// Likewise; false where no daemon runs.
    func streamIfRunning(
        _ method: String, _ path: String, _ query: [(name: String, value: String)], headers: [(String, String)] = [],
        to purpose: String, _ body: ([UInt8]) throws -> Void
    ) async throws -> Bool {
        do {
            let isDone: Bool? = try await withClient { client in
                let target = PercentCoding.target(path: path, query: query)
                let answer = try await client.open(
                    method, "http://localhost\(target)", headers: headers, timeout: .seconds(10))
                var refusal: [UInt8] = []
                for try await piece in answer.body {
                    if answer.status == 200 { try body(piece) } else { refusal += piece }
                }
                guard answer.status == 200 else { throw Self.refusal(answer.status, refusal) }
                return true
            }
            return isDone != nil
        } catch let error as CommandError {
            throw CommandError("cannot \(purpose): \(error)")
        }
    }

    private var noDaemon: CommandError {
        CommandError(
            "no daemon listens at \(path); start it by swiftlet up (pods that were left running are adopted)")
    }

    /// Nil where nobody listens.
    private func withClient<Value: Sendable>(_ body: (HTTPClient) async throws -> Value) async throws -> Value? {
        guard Files.exists(path) else { return nil }
        guard access(path, R_OK | W_OK) == 0 else {
            throw CommandError("cannot open \(path): \(String(cString: strerror(errno))); the node answers root only")
        }
        let loops = EventLoops(count: 1)
        let client = HTTPClient(
            loops: loops, unixSocket: path, log: Logger(label: "node") { _ in SwiftLogNoOpLogHandler() })
        let result: Result<Value?, CommandError>
        do {
            result = .success(try await body(client))
        } catch let error as TransportError where error.code == .cannotConnect {
            // A socket that a killed daemon left: nobody is there.
            result = .success(nil)
        } catch let error as CommandError {
            result = .failure(error)
        } catch {
            result = .failure(CommandError("the daemon at \(path) does not answer: \(error)"))
        }
        client.shutdown()
        await loops.shutdown()
        return try result.get()
    }

    /// The daemon says why in one line of text.
    private static func refusal(_ status: Int, _ body: [UInt8]) -> CommandError {
        let words = String(decoding: body, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
        return CommandError(words.isEmpty ? "the daemon answered with status \(status)" : words)
    }
}
