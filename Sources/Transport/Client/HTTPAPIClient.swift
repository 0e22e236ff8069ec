import KubeAPI
import Logging

/// The Kubernetes API over HTTP(S).
public final class HTTPAPIClient: APIClient {
    private let http: HTTPClient
    /// Without a slash at its end.
    private let server: String
    private let bearerToken: String?

    /// Bytes of one watch event; an object is at most 3 MiB.
    private static let maximumLineBytes = 16 << 20

    /// `server` is the URL of the API server, perhaps with a path before `/api`.
    public init(server: String, tls: ClientTLS? = nil, bearerToken: String? = nil, loops: EventLoops, log: Logger) {
        var server = server
        while server.hasSuffix("/") { server.removeLast() }
        self.server = server
        self.bearerToken = bearerToken
        http = HTTPClient(loops: loops, tls: tls, log: log)
    }

    /// Closes the kept connections.
    public func shutdown() { http.shutdown() }

    public func send(_ request: APIRequest) async throws -> APIResponse {
        do {
            let response = try await http.send(
                request.method.rawValue, url(request), headers: headers(request), body: request.body)
            return APIResponse(
                status: response.status, contentType: response.header("content-type") ?? "", body: response.body)
        } catch let error as TransportError {
            throw APIConnectionError(error.description)
        }
    }

    public func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        do {
            let stream = try await http.open(
                request.method.rawValue, url(request), headers: headers(request), body: request.body)
            guard stream.status == 200 else { throw await Self.status(of: stream) }
            let reader = LineReader(body: stream.body, maximumBytes: Self.maximumLineBytes)
            return AsyncThrowingStream { try await reader.next() }
        } catch let error as TransportError {
            throw APIConnectionError(error.description)
        }
    }

    private func url(_ request: APIRequest) -> String {
        server + PercentCoding.target(path: request.path, query: request.query)
    }

    private func headers(_ request: APIRequest) -> [(String, String)] {
        var headers = [
            ("Accept", request.accept ?? "application/json"), ("User-Agent", request.userAgent ?? "swiftlet"),
        ]
        if let contentType = request.contentType { headers.append(("Content-Type", contentType)) }
        if let bearerToken { headers.append(("Authorization", "Bearer \(bearerToken)")) }
        return headers
    }

    private static func status(of stream: HTTPClientStream) async -> StatusError {
        var body: [UInt8] = []
        do {
            for try await chunk in stream.body where body.count < 1 << 20 { body.append(contentsOf: chunk) }
            let json = try JSON.parse(body)
            if json["kind"].string == "Status" { return StatusError(status: json, code: stream.status) }
        } catch {
            // What there is of the answer has to do.
        }
        let text = String(decoding: body.prefix(500), as: UTF8.self)
        return StatusError(
            code: stream.status, reason: "",
            message: "the server answered with status \(stream.status)\(text.isEmpty ? "" : ": \(text)")")
    }
}

/// Cuts a body into lines as it arrives. For one reader at a time, as the stream that it feeds has.
private final class LineReader: @unchecked Sendable {
    private var chunks: AsyncThrowingStream<[UInt8], any Error>.AsyncIterator
    private var buffer: [UInt8] = []
    /// Where unread bytes begin.
    private var start = 0
    /// How far there is no newline.
    private var searched = 0
    private let maximumBytes: Int

    init(body: AsyncThrowingStream<[UInt8], any Error>, maximumBytes: Int) {
        chunks = body.makeAsyncIterator()
        self.maximumBytes = maximumBytes
    }

    /// The next line without its newline; empty ones are skipped. A last line without newline is incomplete, and
    /// dropped.
    func next() async throws -> [UInt8]? {
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(buffer[start..<end])
                start = end + 1
                searched = start
                if !line.isEmpty { return line }
                continue
            }
            if start > 0 {
                buffer.removeSubrange(..<start)
                start = 0
            }
            searched = buffer.count
            guard buffer.count <= maximumBytes else {
                throw APIConnectionError("cannot read watch: an event exceeds \(maximumBytes) bytes")
            }
            do {
                guard let chunk = try await chunks.next(isolation: nil) else { return nil }
                buffer.append(contentsOf: chunk)
            } catch let error as TransportError {
                throw APIConnectionError(error.description)
            }
        }
    }
}
