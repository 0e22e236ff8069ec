import Glibc
import KubeAPI
import Logging
import Synchronization

/// The API by a kubeconfig that may not be there yet, and may change: a component may start before the server that writes
/// its file, and outlives its certificates.
public final class KubeconfigClient: APIClient {
    /// The file is looked at again after so long, when there is something to ask.
    private static let patience: Duration = .seconds(1)
    /// Certificates that it names by path may have been renewed meanwhile.
    private static let lifetime: Duration = .seconds(600)

    private struct Identity: Equatable {
        var inode: UInt
        var sizeBytes: Int
        var seconds: Int
        var nanoseconds: Int
    }
    private struct State {
        var identity: Identity?
        var client: HTTPAPIClient?
        var lookedAt: ContinuousClock.Instant?
        var madeAt: ContinuousClock.Instant?
        var problem = APIConnectionError("")
    }

    private let path: String
    private let context: String
    private let server: String?
    private let loops: EventLoops
    private let log: Logger
    private let state = Mutex(State())

    /// - Parameters:
    ///   - context: taken where the file has it, else the current one.
    ///   - server: URL instead of the file's.
    public init(path: String, context: String, server: String? = nil, loops: EventLoops, log: Logger) {
        self.path = path
        self.context = context
        self.server = server
        self.loops = loops
        self.log = log
    }

    public func send(_ request: APIRequest) async throws -> APIResponse { try await current().send(request) }

    public func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        try await current().lines(request)
    }

    private func current() throws(APIConnectionError) -> HTTPAPIClient {
        let now = ContinuousClock.now
        let result: Result<HTTPAPIClient, APIConnectionError> = state.withLock { state in
            if state.lookedAt.map({ now - $0 < Self.patience }) ?? false {
                return state.client.map { .success($0) } ?? .failure(state.problem)
            }
            state.lookedAt = now
            let identity = Self.identity(of: path)
            let isOld = state.madeAt.map { now - $0 >= Self.lifetime } ?? true
            if let client = state.client, identity == state.identity, !isOld { return .success(client) }
            do {
                let client = try make()
                // Watches that are open go on.
                state.client?.shutdown()
                state.client = client
                state.identity = identity
                state.madeAt = now
                return .success(client)
            } catch {
                let problem = APIConnectionError("cannot use kubeconfig \(path): \(error)")
                if state.problem.description != problem.description {
                    log.warning("cannot reach the API yet", metadata: ["err": "\(problem)"])
                }
                state.problem = problem
                // What is known goes on being used: the file may be being written.
                return state.client.map { .success($0) } ?? .failure(problem)
            }
        }
        return try result.get()
    }

    private func make() throws -> HTTPAPIClient {
        let kubeconfig = try Kubeconfig.load(path)
        let connection = try kubeconfig.connection(context: kubeconfig.hasContext(context) ? context : nil)
        return HTTPAPIClient(
            server: server ?? connection.server, tls: connection.tls, bearerToken: connection.bearerToken, loops: loops,
            log: log)
    }

    private static func identity(of path: String) -> Identity? {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        return Identity(
            inode: UInt(info.st_ino), sizeBytes: Int(info.st_size), seconds: info.st_mtim.tv_sec,
            nanoseconds: info.st_mtim.tv_nsec)
    }
}
