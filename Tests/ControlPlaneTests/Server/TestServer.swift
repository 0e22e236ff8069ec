import Crypto
import Glibc
import KubeAPI
import Logging
import Synchronization
import Testing
import Transport

@testable import ControlPlane

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A folder that goes with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/swiftlet-test-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        if let stream = opendir(path) {
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." {
                    if entry.pointee.d_type == DT_DIR { remove("\(path)/\(name)") } else { unlink("\(path)/\(name)") }
                }
            }
            closedir(stream)
        }
        rmdir(path)
    }
}

/// A complete answer, as a client sees it.
struct Answer: Sendable {
    var status: Int
    var headers: [(String, String)]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSON { (try? JSON.parse(body)) ?? .null }
    func header(_ name: String) -> String? { headers.first { $0.0 == name }?.1 }
    func headers(_ name: String) -> [String] { headers.filter { $0.0 == name }.map(\.1) }
}

/// A server without sockets over a store of its own.
final class TestServer: Sendable {
    let folder: TemporaryFolder
    let store: SQLiteStore
    let context: ServerContext
    let router: Router
    let tokenKey: TokenKey

    var registry: Registry { context.registry }

    /// `prepare` may write to the store before it is loaded.
    init(
        folder: TemporaryFolder? = nil, logFolder: String? = nil, namespaces: [String] = ["default"],
        secondServiceRange: CIDR? = nil
    ) async throws {
        let folder = try folder ?? TemporaryFolder()
        self.folder = folder
        store = try SQLiteStore.open(path: "\(folder.path)/store.db", log: quiet)
        let services = ServiceAllocator(
            range: try #require(CIDR("10.96.0.0/16")), second: secondServiceRange, nodePorts: 30_000...32_767)
        let registry = try await Registry(scheme: .builtin, store: store, services: services, log: quiet)
        tokenKey = TokenKey(P256.Signing.PrivateKey())
        let tokens = TokenVerifier(TokenAuthority(key: tokenKey), registry: registry)
        // The default roles are known and not stored: they take their time.
        registry.authorizer.loadDefaultRoles()
        context = ServerContext(
            registry: registry, health: HealthChecks(), authenticator: Authenticator(serviceAccounts: tokens),
            logFiles: logFolder.map { LogFiles(root: $0) },
            serverAddress: "192.0.2.1:6443", log: quiet)
        router = Router(context)
        for name in namespaces {
            do {
                try await admin.create(.namespaces, ["metadata": ["name": .string(name)]])
                // Pods need one; theirs are tried without its token unless a test is about that.
                try await admin.create(
                    .serviceAccounts, namespace: name,
                    ["metadata": ["name": "default"], "automountServiceAccountToken": false])
            } catch let error as StatusError where error.isAlreadyExists {
                continue
            }
        }
    }

    deinit { store.close() }

    var admin: InProcessClient { client(as: .apiserver) }
    func client(as user: UserInfo) -> InProcessClient { InProcessClient(router: router, user: user) }

    /// Sends a request as it stands on the wire. `target` is path and query.
    func send(
        _ method: String, _ target: String, _ body: [UInt8] = [], type: String = "application/json",
        headers: [(String, String)] = [], as user: UserInfo = .apiserver, to other: Router? = nil
    ) async throws -> Answer {
        let request = try #require(
            HTTPServerRequest(
                method: method, target: target, headers: [("Content-Type", type)] + headers, body: body))
        let router = other ?? router
        return await withCheckedContinuation { continuation in
            router.serve(ServerRequest(request, user: user), AnswerCatcher(continuation))
        }
    }

    func send(
        _ method: String, _ target: String, _ body: JSON, type: String = "application/json",
        headers: [(String, String)] = [], as user: UserInfo = .apiserver
    ) async throws -> Answer {
        try await send(method, target, body.serialized(), type: type, headers: headers, as: user)
    }

    func get(_ target: String, accept: String? = nil, as user: UserInfo = .apiserver) async throws -> Answer {
        try await send("GET", target, headers: accept.map { [("Accept", $0)] } ?? [], as: user)
    }

    /// Begins a watch; its lines come to the stream.
    func watch(_ target: String, accept: String? = nil) throws -> TestStream {
        let request = try #require(
            HTTPServerRequest(method: "GET", target: target, headers: accept.map { [("Accept", $0)] } ?? []))
        let catcher = StreamCatcher()
        router.serve(ServerRequest(request, user: .apiserver), catcher)
        return try #require(catcher.stream, "the watch was refused: \(catcher.refusal ?? "")")
    }

    /// Makes a ConfigMap and returns it as stored.
    @discardableResult
    func makeConfigMap(_ name: String, _ data: [String: String] = [:], labels: [String: String] = [:]) async throws
        -> JSON
    {
        var metadata: JSON = ["name": .string(name)]
        if !labels.isEmpty { metadata["labels"] = JSON(labels) }
        return try await admin.create(
            .configMaps, namespace: "default", ["metadata": metadata, "data": JSON(data)])
    }
}

extension Authorizer {
    /// Made once: most tests have a server of their own.
    private static let defaults: [(kind: RBACIndex.Kind, key: String, object: JSON)] = DefaultRoles.all.flatMap {
        role in
        let kinds: (RBACIndex.Kind, RBACIndex.Kind) =
            role.isClusterRole ? (.clusterRole, .clusterRoleBinding) : (.role, .roleBinding)
        let own = (kind: kinds.0, key: role.role.objectKey, object: role.role)
        guard let binding = role.binding else { return [own] }
        return [own, (kind: kinds.1, key: binding.objectKey, object: binding)]
    }

    func loadDefaultRoles() {
        for (kind, key, object) in Self.defaults { rbac.apply(kind, key: key, object) }
    }

    /// Lets a user do something everywhere.
    func allow(_ user: String, _ rules: PolicyRule...) {
        let name = "test:\(user)"
        rbac.apply(
            .clusterRole, key: name, ["metadata": ["name": .string(name)], "rules": .array(rules.map(\.json))])
        rbac.apply(
            .clusterRoleBinding, key: name,
            [
                "metadata": ["name": .string(name)], "roleRef": ["kind": "ClusterRole", "name": .string(name)],
                "subjects": [["kind": "User", "name": .string(user)]],
            ])
    }
}

/// Gathers an answer, also one that comes as a stream, and hands it over when it is complete.
private final class AnswerCatcher: HTTPResponder {
    private let continuation: Mutex<CheckedContinuation<Answer, Never>?>

    init(_ continuation: CheckedContinuation<Answer, Never>) { self.continuation = Mutex(continuation) }

    private func finish(_ answer: Answer) {
        continuation.withLock { continuation in
            defer { continuation = nil }
            return continuation
        }?.resume(returning: answer)
    }

    func respond(status: Int, headers: [(String, String)], body: [UInt8]) {
        finish(Answer(status: status, headers: headers, body: body))
    }

    func stream(status: Int, headers: [(String, String)]) -> any HTTPStream {
        let stream = TestStream()
        stream.onClose { self.finish(Answer(status: status, headers: headers, body: Array(stream.text.utf8))) }
        return stream
    }
}

private final class StreamCatcher: HTTPResponder {
    private let state = Mutex<(stream: TestStream?, refusal: String?)>((nil, nil))
    var stream: TestStream? { state.withLock { $0.stream } }
    var refusal: String? { state.withLock { $0.refusal } }

    func respond(status: Int, headers: [(String, String)], body: [UInt8]) {
        state.withLock { $0.refusal = "\(status) \(String(decoding: body, as: UTF8.self))" }
    }

    func stream(status: Int, headers: [(String, String)]) -> any HTTPStream {
        let stream = TestStream()
        state.withLock { $0.stream = stream }
        return stream
    }
}

/// A stream that keeps what is written to it, and is as writable as the test says.
final class TestStream: HTTPStream {
    private struct State {
        var text = ""
        var capacity = Int.max
        var isClosed = false
        var wasAborted = false
        var onClose: [@Sendable () -> Void] = []
        var onWritable: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    var text: String { state.withLock { $0.text } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    var wasAborted: Bool { state.withLock { $0.wasAborted } }

    /// One tree per line.
    var events: [JSON] {
        text.split(separator: "\n").map { (try? JSON.parse(Array($0.utf8))) ?? .string("not JSON: \($0)") }
    }
    /// `ADDED a`, `DELETED b`, in order; bookmarks without a name.
    var summary: [String] {
        events.map { event in
            let name = event["object"].name
            return event["type"].stringValue + (name.isEmpty ? "" : " \(name)")
        }
    }

    /// How many further writes are taken before the stream says that it is full.
    func setCapacity(_ count: Int) {
        let onWritable = state.withLock { state in
            state.capacity = count
            return count > 0 ? state.onWritable : nil
        }
        onWritable?()
    }

    @discardableResult func write(_ frame: Frame) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.text += String(decoding: frame.bytes, as: UTF8.self)
            if state.capacity != .max { state.capacity -= 1 }
            return true
        }
    }

    var isWritable: Bool { state.withLock { !$0.isClosed && $0.capacity > 0 } }

    func onClose(_ body: @escaping @Sendable () -> Void) {
        let isClosed = state.withLock { state in
            if !state.isClosed { state.onClose.append(body) }
            return state.isClosed
        }
        if isClosed { body() }
    }

    func onWritable(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onWritable = body } }

    func finish() {
        let bodies = state.withLock { state in
            state.isClosed = true
            defer { state.onClose = [] }
            return state.onClose
        }
        for body in bodies { body() }
    }

    func abort() {
        state.withLock { $0.wasAborted = true }
        finish()
    }
}

/// Waits until `condition` holds, for 10 s at most.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<1000 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return try await condition()
}

/// What a call is refused with; nil where it is not.
func refusal(_ body: () async throws -> some Any) async -> StatusError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? StatusError
    }
}
