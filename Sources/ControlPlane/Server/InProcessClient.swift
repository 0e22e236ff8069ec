import KubeAPI
import Transport

/// The API for components in this process: the same router, bytes and frames as over a socket, without the socket. The
/// user is given; what it may do is decided as for everybody.
public final class InProcessClient: APIClient {
    private let router: Router
    private let user: UserInfo

    init(router: Router, user: UserInfo) {
        self.router = router
        self.user = user
    }

    public func send(_ request: APIRequest) async throws -> APIResponse {
        switch await answer(request) {
        case .whole(let response): return response
        case .stream(let status, let contentType, let stream):
            var body: [UInt8] = []
            while let frame = try await stream.next() { body += frame.bytes }
            return APIResponse(status: status, contentType: contentType, body: body)
        }
    }

    public func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        switch await answer(request) {
        case .whole(let response):
            guard response.status == 200 else { throw Self.error(response) }
            let reader = LineReader(nil, rest: response.body)
            return AsyncThrowingStream { try await reader.next() }
        case .stream(_, _, let stream):
            let reader = LineReader(stream, rest: [])
            return AsyncThrowingStream { try await reader.next() }
        }
    }

    private func answer(_ request: APIRequest) async -> InProcessResponder.Answer {
        await withCheckedContinuation { continuation in
            router.serve(ServerRequest(request, user: user), InProcessResponder(continuation))
        }
    }

    private static func error(_ response: APIResponse) -> StatusError {
        guard let json = try? JSON.parse(response.body) else {  // not JSON: the text has to do
            return StatusError(
                code: response.status, reason: "", message: String(decoding: response.body.prefix(500), as: UTF8.self))
        }
        return StatusError(status: json, code: response.status)
    }
}

/// Hands an answer to the task that waits for it.
final class InProcessResponder: HTTPResponder {
    enum Answer: Sendable {
        case whole(APIResponse)
        case stream(status: Int, contentType: String, InProcessStream)
    }

    private let answered = OnceFlag()
    private let continuation: CheckedContinuation<Answer, Never>

    init(_ continuation: CheckedContinuation<Answer, Never>) { self.continuation = continuation }

    func respond(status: Int, headers: [(String, String)], body: [UInt8]) {
        guard answered.set() else { return }
        continuation.resume(
            returning: .whole(APIResponse(status: status, contentType: Self.contentType(headers), body: body)))
    }

    func stream(status: Int, headers: [(String, String)]) -> any HTTPStream {
        let stream = InProcessStream()
        if answered.set() {
            continuation.resume(
                returning: .stream(status: status, contentType: Self.contentType(headers), stream))
        } else {
            stream.finish()
        }
        return stream
    }

    private static func contentType(_ headers: [(String, String)]) -> String {
        headers.first { $0.0 == "Content-Type" }?.1 ?? ""
    }
}

/// Cuts frames into lines. A frame of a watch is one line, which is taken as it is. For one reader; the stream ends when
/// nobody holds the reader any more.
final class LineReader: @unchecked Sendable {
    // Read and written by the one task that reads the stream.
    private var rest: ArraySlice<UInt8>
    private let stream: InProcessStream?

    init(_ stream: InProcessStream?, rest: [UInt8]) {
        self.stream = stream
        self.rest = rest[...]
    }

    deinit { stream?.finish() }

    func next() async throws -> [UInt8]? {
        while true {
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = rest[..<end]
                rest = rest[(end + 1)...]
                if !line.isEmpty { return Array(line) }
                continue
            }
            // A last line without newline is incomplete, and dropped.
            guard let frame = try await stream?.next() else { return nil }
            rest = rest.isEmpty ? frame.bytes[...] : rest + frame.bytes
        }
    }
}
