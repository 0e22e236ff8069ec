import KubeAPI
import Synchronization

@testable import NodeAgent

/// An API server in memory: objects, revisions, watches, status patches, graceful deletion. So much as a kubelet needs.
final class FakeAPI: APIClient {
    private struct Watch {
        let collection: String
        let selector: FieldSelector
        let continuation: AsyncThrowingStream<[UInt8], any Error>.Continuation
    }
    private struct State {
        /// By path.
        var objects: [String: JSON] = [:]
        var revision = 1
        var uids = 0
        var watches: [Int: Watch] = [:]
        var nextWatch = 0
        var isAway = false
        var requests: [String] = []
        var waiters: [(condition: @Sendable ([String: JSON]) -> Bool, continuation: CheckedContinuation<Void, Never>)] =
            []
    }
    private let state = Mutex(State())

    // MARK: what tests do and see

    /// Requests as `METHOD path`.
    var requests: [String] { state.withLock { $0.requests } }
    func object(_ path: String) -> JSON { state.withLock { $0.objects[path] ?? .null } }
    func pod(_ name: String) -> Pod { Pod(object("/api/v1/namespaces/default/pods/\(name)")) }
    func events(_ name: String) -> [String] {
        state.withLock { state in
            state.objects.values.filter { $0.kind == "Event" && $0["involvedObject"]["name"].string == name }
                .sorted { (Int($0.resourceVersion) ?? 0) < (Int($1.resourceVersion) ?? 0) }
                .map { "\($0["reason"].stringValue): \($0["message"].stringValue)" }
        }
    }

    /// While the API is away nobody is answered, and watches break.
    func setAway(_ isAway: Bool) {
        let broken = state.withLock { state in
            state.isAway = isAway
            defer { if isAway { state.watches = [:] } }
            return isAway ? Array(state.watches.values) : []
        }
        for watch in broken { watch.continuation.finish(throwing: APIConnectionError("away")) }
    }

    /// Waits until something holds of the objects.
    func wait(until condition: @escaping @Sendable ([String: JSON]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let holds = state.withLock { state in
                if condition(state.objects) { return true }
                state.waiters.append((condition, continuation))
                return false
            }
            if holds { continuation.resume() }
        }
    }
    func wait(forPod name: String, _ condition: @escaping @Sendable (Pod) -> Bool) async {
        await wait { condition(Pod($0["/api/v1/namespaces/default/pods/\(name)"] ?? .null)) }
    }
    func wait(untilGone path: String) async { await wait { $0[path] == nil } }

    /// A pod as the scheduler has bound it.
    @discardableResult
    func add(_ pod: Pod) -> Pod {
        var json = pod.json
        json["kind"] = "Pod"
        json["apiVersion"] = "v1"
        json["spec"]["nodeName"] = "node1"
        if json["status"].isNull { json["status"] = ["phase": "Pending", "qosClass": "BestEffort"] }
        return Pod(put("/api/v1/namespaces/\(pod.namespace)/pods/\(pod.name)", json))
    }

    @discardableResult
    func put(_ path: String, _ object: JSON) -> JSON {
        state.withLock { state in
            var object = object
            if object["metadata"]["uid"].isNull {
                state.uids += 1
                object["metadata"]["uid"] = .string("api-\(state.uids)")
            }
            return Self.store(&state, path, object)
        }
    }

    func remove(_ path: String) { state.withLock { Self.erase(&$0, path) } }

    // MARK: the store

    private static func store(_ state: inout State, _ path: String, _ object: JSON) -> JSON {
        state.revision += 1
        var object = object
        object["metadata"]["resourceVersion"] = .string(String(state.revision))
        let old = state.objects.updateValue(object, forKey: path)
        tell(&state, path, old == nil ? "ADDED" : "MODIFIED", object)
        return object
    }

    private static func erase(_ state: inout State, _ path: String) {
        guard var object = state.objects.removeValue(forKey: path) else { return }
        state.revision += 1
        object["metadata"]["resourceVersion"] = .string(String(state.revision))
        tell(&state, path, "DELETED", object)
    }

    private static func tell(_ state: inout State, _ path: String, _ type: String, _ object: JSON) {
        let line = (["type": .string(type), "object": object] as JSON).serialized()
        for watch in state.watches.values where matches(path, object, watch.collection, watch.selector) {
            watch.continuation.yield(line)
        }
        let objects = state.objects
        let ready = state.waiters.filter { $0.condition(objects) }
        state.waiters.removeAll { $0.condition(objects) }
        for waiter in ready { waiter.continuation.resume() }
    }

    private static func matches(_ path: String, _ object: JSON, _ collection: String, _ selector: FieldSelector) -> Bool
    {
        let parent = path.split(separator: "/").dropLast().joined(separator: "/")
        var wanted = collection.split(separator: "/").joined(separator: "/")
        // All namespaces.
        var own = parent
        if !wanted.contains("namespaces/"), let range = own.firstRange(of: "/namespaces/") {
            own = own[..<range.lowerBound] + "/" + (own.split(separator: "/").last ?? "")
        }
        if wanted.hasPrefix("/") { wanted.removeFirst() }
        return own == wanted
            && selector.matches { field in
                field.split(separator: ".").reduce(object) { $0[String($1)] }.stringValue
            }
    }

    // MARK: the API

    func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let selector = try FieldSelector(parsing: request.parameter("fieldSelector") ?? "")
        let (stream, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
        let since = Int(request.parameter("resourceVersion") ?? "") ?? 0
        let number: Int? = state.withLock { state in
            guard !state.isAway else { return nil }
            // What has changed since the list: told again, which informers bear.
            for (path, object) in state.objects
            where (Int(object.resourceVersion) ?? 0) > since && Self.matches(path, object, request.path, selector) {
                continuation.yield((["type": "ADDED", "object": object] as JSON).serialized())
            }
            state.nextWatch += 1
            state.watches[state.nextWatch] = Watch(
                collection: request.path, selector: selector, continuation: continuation)
            return state.nextWatch
        }
        guard let number else { throw APIConnectionError("away") }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.watches.removeValue(forKey: number) }
        }
        return stream
    }

    func send(_ request: APIRequest) async throws -> APIResponse {
        let answer: Result<JSON, StatusError>? = state.withLock { state in
            guard !state.isAway else { return nil }
            state.requests.append("\(request.method.rawValue) \(request.path)")
            do throws(StatusError) {
                return .success(try Self.answer(&state, request))
            } catch {
                return .failure(error)
            }
        }
        switch answer {
        case nil: throw APIConnectionError("away")
        case .success(let json): return APIResponse(status: 200, body: json.serialized())
        case .failure(let error): return APIResponse(status: error.code, body: error.json.serialized())
        }
    }

    /// No two nodes' ranges overlap.
    private static func checkRange(_ object: JSON, _ objects: [String: JSON]) throws(StatusError) {
        guard let range = CIDR(object["spec"]["podCIDR"].stringValue) else { return }
        for other in objects.values where other.kind == "Node" && other.name != object.name {
            guard let taken = CIDR(other["spec"]["podCIDR"].stringValue), taken.overlaps(range) else { continue }
            throw .invalid(
                kind: "Node", name: object.name,
                [
                    FieldError(
                        .invalid, "spec.podCIDRs", "Invalid value: x: overlaps the range of node \"\(other.name)\"")
                ])
        }
    }

    private static func answer(_ state: inout State, _ request: APIRequest) throws(StatusError) -> JSON {
        // A body that is none is a bug of the caller: seen as an empty object.
        let body = (try? JSON.parse(request.body)) ?? .null
        let name = String(request.path.split(separator: "/").last ?? "")
        switch request.method {
        case .get:
            if let object = state.objects[request.path] { return object }
            guard
                request.path.split(separator: "/").last.map({
                    ["pods", "nodes", "services", "configmaps", "secrets"].contains($0)
                }) == true
            else { throw .notFound("objects", name: name) }
            let selector = (try? FieldSelector(parsing: request.parameter("fieldSelector") ?? "")) ?? .everything
            let items = state.objects.filter { matches($0.key, $0.value, request.path, selector) }.map(\.value)
            return [
                "kind": "List", "metadata": ["resourceVersion": .string(String(state.revision))],
                "items": .array(items),
            ]
        case .post where name == "token":
            // Numbered, so that a renewed one shows.
            state.uids += 1
            var answer = body
            answer["status"] = [
                "token": .string("token-\(state.uids) for \(request.path.split(separator: "/").dropLast().last ?? "")"),
                "expirationTimestamp": .string(
                    (Timestamp.now() + .seconds(body["spec"]["expirationSeconds"].int ?? 0)).rfc3339),
            ]
            return answer
        case .post:
            let path = "\(request.path)/\(body.name)"
            guard state.objects[path] == nil else { throw .alreadyExists("objects", name: body.name) }
            try checkRange(body, state.objects)
            var object = body
            state.uids += 1
            object["metadata"]["uid"] = .string("api-\(state.uids)")
            return store(&state, path, object)
        case .put:
            guard state.objects[request.path] != nil else { throw .notFound("objects", name: name) }
            return store(&state, request.path, body)
        case .patch:
            let isStatus = request.path.hasSuffix("/status")
            let path = isStatus ? String(request.path.dropLast("/status".count)) : request.path
            guard let old = state.objects[path] else { throw .notFound("objects", name: name) }
            if let uid = body["metadata"]["uid"].string, uid != old.uid { throw .conflict("objects", name: name) }
            guard request.contentType == PatchType.strategic.rawValue,
                let schema = Scheme.builtin.schema(apiVersion: old.apiVersion, kind: old.kind)
            else {
                let new = MergePatch.apply(body, to: old)
                if new["spec"]["podCIDR"] != old["spec"]["podCIDR"] { try checkRange(new, state.objects) }
                return store(&state, path, new)
            }
            return store(&state, path, try StrategicMergePatch.apply(body, to: old, schema: schema))
        case .delete:
            guard var object = state.objects[request.path] else { throw .notFound("objects", name: name) }
            if let uid = body["preconditions"]["uid"].string, uid != object.uid {
                throw .conflict("objects", name: name)
            }
            let grace = body["gracePeriodSeconds"].int ?? object["spec"]["terminationGracePeriodSeconds"].int ?? 0
            guard grace > 0 else {
                if body["gracePeriodSeconds"].int == 0 { object["metadata"]["deletionGracePeriodSeconds"] = 0 }
                state.objects[request.path] = object
                erase(&state, request.path)
                return object
            }
            if object["metadata"]["deletionTimestamp"].isNull {
                object["metadata"]["deletionTimestamp"] = "2026-03-04T05:06:07Z"
            }
            object["metadata"]["deletionGracePeriodSeconds"] = .int(Int64(grace))
            return store(&state, request.path, object)
        case .head, .options: throw .methodNotAllowed()
        }
    }
}
