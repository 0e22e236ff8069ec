import KubeAPI
import Logging
import Synchronization
import Transport

@testable import NodeAgent

/// A registry in this process: what it holds and how it misbehaves is the test's to say.
final class FakeRegistry: HTTPHandler {
    struct Behaviour: Sendable {
        /// `user:password`; nil lets everybody in.
        var userInfo: String?
        /// By tokens instead of passwords.
        var usesTokens = false
        /// Blobs break off after so many bytes, so many times.
        var cutAfter: Int?
        var cuts = 0
        var knowsRanges = true
        /// What is sent for a blob instead of its content.
        var replacements: [String: [UInt8]] = [:]
        /// What is sent for manifests.
        var page: (status: Int, type: String, body: String, headers: [(String, String)])?
        /// Blobs are held back until it is opened.
        var holdsBlobs = false
        /// Where blobs are to be had instead.
        var redirect: String?
    }
    private struct State {
        var blobs: [String: [UInt8]] = [:]
        /// By `repository:tag` and by digest.
        var manifests: [String: (type: String, bytes: [UInt8])] = [:]
        var behaviour = Behaviour()
        var requests: [String] = []
        var headers: [[String: String]] = []
        var held: [@Sendable () -> Void] = []
    }
    private let state = Mutex(State())
    private let loops = EventLoops(count: 1)
    private let server = Mutex<HTTPServer?>(nil)
    private let bound = Mutex(0)

    static let manifestType = "application/vnd.oci.image.manifest.v1+json"
    static let indexType = "application/vnd.oci.image.index.v1+json"
    static let token = "t0ken"

    var port: Int { bound.withLock { $0 } }
    var host: String { "127.0.0.1:\(port)" }
    /// `GET /v2/…`, with the range where one was asked for.
    var requests: [String] { state.withLock { $0.requests } }
    var headers: [[String: String]] { state.withLock { $0.headers } }

    func start() async throws {
        let server = HTTPServer(
            loops: loops, handler: self, tls: nil, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let port = try await server.listen(host: "127.0.0.1", port: 0)
        bound.withLock { $0 = port }
        self.server.withLock { $0 = server }
    }

    func stop() async {
        openBlobs()
        await server.withLock { $0 }?.shutdown(grace: .milliseconds(100))
        await loops.shutdown()
    }

    func behave(_ change: (inout Behaviour) -> Void) { state.withLock { change(&$0.behaviour) } }

    /// Lets held blobs go.
    func openBlobs() {
        let held = state.withLock { state in
            state.behaviour.holdsBlobs = false
            defer { state.held = [] }
            return state.held
        }
        for answer in held { answer() }
    }

    // MARK: content

    @discardableResult func add(blob: [UInt8]) -> JSON {
        let digest = ContentDigest.of(blob)
        state.withLock { $0.blobs[digest] = blob }
        return ["digest": .string(digest), "size": .int(Int64(blob.count))]
    }

    @discardableResult func add(manifest: JSON, type: String = manifestType, as names: [String]) -> JSON {
        let bytes = manifest.serialized()
        let digest = ContentDigest.of(bytes)
        state.withLock { state in for name in names + [digest] { state.manifests[name] = (type, bytes) } }
        return ["mediaType": .string(type), "digest": .string(digest), "size": .int(Int64(bytes.count))]
    }

    /// An image of plain layers. Returns its manifest's descriptor.
    @discardableResult func add(
        _ layers: [[UInt8]], as name: String, architecture: String = ImageStore.machineArchitecture()
    ) -> JSON {
        let configBytes =
            ([
                "architecture": .string(architecture), "os": "linux", "config": ["Cmd": ["run"]],
                "rootfs": ["type": "layers", "diff_ids": JSON(layers.map { ContentDigest.of($0) })],
            ] as JSON).serialized()
        var config = add(blob: configBytes)
        config["mediaType"] = "application/vnd.oci.image.config.v1+json"
        let descriptors = layers.map { layer in
            var descriptor = add(blob: layer)
            descriptor["mediaType"] = "application/vnd.oci.image.layer.v1.tar"
            return descriptor
        }
        return add(
            manifest: [
                "schemaVersion": 2, "mediaType": .string(Self.manifestType), "config": config,
                "layers": .array(descriptors),
            ], as: [name])
    }

    // MARK: answers

    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        let range = request.header("range")
        let authorization = request.header("authorization")
        let behaviour = state.withLock { state in
            state.requests.append("\(request.method) \(request.path)" + (range.map { " \($0)" } ?? ""))
            state.headers.append(["authorization": authorization ?? "", "host": request.header("host") ?? ""])
            return state.behaviour
        }
        if request.path == "/token" { return token(authorization, behaviour, response) }
        if let userInfo = behaviour.userInfo {
            let wanted =
                behaviour.usesTokens ? "Bearer \(Self.token)" : "Basic \(Base64.encode(Array(userInfo.utf8)))"
            guard authorization == wanted else {
                let challenge =
                    behaviour.usesTokens
                    ? "Bearer realm=\"http://\(host)/token\",service=\"fake\",scope=\"repository:app:pull\""
                    : "Basic realm=\"fake\""
                return response.respond(status: 401, headers: [("WWW-Authenticate", challenge)], body: [])
            }
        }
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.count >= 4, parts[0] == "v2" else { return response.respond(status: 404, headers: [], body: []) }
        let repository = parts[1..<(parts.count - 2)].joined(separator: "/")
        if parts[parts.count - 2] == "manifests" {
            manifest(repository, parts[parts.count - 1], behaviour, response)
        } else {
            blob(parts[parts.count - 1], range, request.path, behaviour, response)
        }
    }

    private func token(_ authorization: String?, _ behaviour: Behaviour, _ response: any HTTPResponder) {
        guard authorization == behaviour.userInfo.map({ "Basic \(Base64.encode(Array($0.utf8)))" }) else {
            return response.respond(status: 401, headers: [], body: [])
        }
        response.respond(status: 200, headers: [], body: (["token": .string(Self.token)] as JSON).serialized())
    }

    private func manifest(
        _ repository: String, _ name: String, _ behaviour: Behaviour, _ response: any HTTPResponder
    ) {
        if let page = behaviour.page {
            return response.respond(
                status: page.status, headers: [("Content-Type", page.type)] + page.headers, body: Array(page.body.utf8))
        }
        guard let found = state.withLock({ $0.manifests["\(repository):\(name)"] ?? $0.manifests[name] }) else {
            let body: JSON = ["errors": [["code": "MANIFEST_UNKNOWN", "message": "manifest unknown"]]]
            return response.respond(status: 404, headers: [], body: body.serialized())
        }
        response.respond(
            status: 200,
            headers: [("Content-Type", found.type), ("Docker-Content-Digest", ContentDigest.of(found.bytes))],
            body: found.bytes)
    }

    private func blob(
        _ digest: String, _ range: String?, _ path: String, _ behaviour: Behaviour, _ response: any HTTPResponder
    ) {
        if let redirect = behaviour.redirect {
            return response.respond(status: 307, headers: [("Location", redirect + path)], body: [])
        }
        guard let content = behaviour.replacements[digest] ?? state.withLock({ $0.blobs[digest] }) else {
            return response.respond(status: 404, headers: [], body: [])
        }
        let first = behaviour.knowsRanges ? range.flatMap { Int($0.dropFirst(6).prefix { $0 != "-" }) } ?? 0 : 0
        let rest = Array(content.dropFirst(first))
        let isRange = range != nil && behaviour.knowsRanges
        let cut = state.withLock { state -> Int? in
            // Documents are small; layers are what breaks.
            guard state.behaviour.cuts > 0, let cut = state.behaviour.cutAfter, cut < rest.count else { return nil }
            state.behaviour.cuts -= 1
            return cut
        }
        let answer: @Sendable () -> Void = {
            let headers = isRange ? [("Content-Range", "bytes \(first)-\(content.count - 1)/\(content.count)")] : []
            guard let cut else {
                return response.respond(status: isRange ? 206 : 200, headers: headers, body: rest)
            }
            let stream = response.stream(status: isRange ? 206 : 200, headers: headers)
            stream.write(Frame(Array(rest.prefix(cut))))
            // What was written must arrive first.
            Task {
                try? await Task.sleep(for: .milliseconds(50))
                stream.abort()
            }
        }
        let isHeld = state.withLock { state in
            guard state.behaviour.holdsBlobs, content.count > 1024 else { return false }
            state.held.append(answer)
            return true
        }
        if !isHeld { answer() }
    }
}
