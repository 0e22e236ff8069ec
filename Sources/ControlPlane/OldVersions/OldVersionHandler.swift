import KubeAPI
import Transport

/// Serves a request under an old version as the request of v1 that it stands for, and translates the answer.
enum OldVersionHandler {
    static func serve(
        _ request: ServerRequest, _ version: OldVersion, _ responder: any HTTPResponder, _ router: Router
    ) {
        do throws(StatusError) {
            guard let translated = try translate(request, version, router) else {
                return router.serve(request, responder, isTranslated: true)
            }
            router.serve(
                translated, OldVersionResponder(version, translated, responder), isTranslated: true)
        } catch {
            Exchange(
                request: request, info: RequestInfo(method: request.method, path: request.path, isWatch: false),
                responder: responder, metrics: router.context.metrics
            ).send(version.old(error.json), status: error.code)
        }
    }

    /// Nil: the version itself is asked for.
    private static func translate(
        _ request: ServerRequest, _ version: OldVersion, _ router: Router
    ) throws(StatusError) -> ServerRequest? {
        var parts = request.path.split(separator: "/").dropFirst(2).map(String.init)
        guard !parts.isEmpty else { return nil }
        var result = request
        var path = "/api/v1"
        if parts.first == "watch" {
            path += "/watch"
            parts.removeFirst()
        }
        var namespace = request.parameter("namespace") ?? ""
        if parts.count > 2, parts[0] == "namespaces" || parts[0] == "ns" {
            namespace = parts[1]
            parts.removeFirst(2)
        }
        let asked = parts.first ?? ""
        let resource = version.resource(asked)
        let type = router.context.registry.find("", "v1", resource)
        let isNamespaced = type?.type.path.isNamespaced ?? (resource == "bindings")
        // The flat versions had a namespace in the query, and meant the usual one without.
        if version.isFlat, namespace.isEmpty { namespace = "default" }
        if isNamespaced, !namespace.isEmpty { path += "/namespaces/\(namespace)" }
        path += ([resource] + parts.dropFirst()).map { "/" + $0 }.joined()
        guard let kind = OldVersion.kinds[resource] else {
            guard type != nil else { throw .unknownPath }
            throw refusal(404, "NotFound", "\(version) does not have \(asked)", request, path)
        }
        result.path = path
        result.accept = Exchange.json
        result.query = query(request.query, version)
        try translateBody(&result, kind, resource, version)
        return result
    }

    private static func translateBody(
        _ request: inout ServerRequest, _ kind: String, _ resource: String, _ version: OldVersion
    ) throws(StatusError) {
        switch request.method {
        case "POST", "PUT":
            // exec and its like have no object.
            if request.upgrade != nil { return }
            let canExpress = !version.isFlat || request.method == "POST" && OldVersion.flatCreates.contains(resource)
            guard canExpress else {
                throw refusal(
                    405, "MethodNotAllowed",
                    "\(version) reads \(resource), and cannot express what \(request.method) says",
                    request, request.path)
            }
        case "PATCH":
            throw refusal(405, "MethodNotAllowed", "\(version) has no patches", request, request.path)
        default: return
        }
        let object: JSON
        do {
            object = try JSON.parse(request.body)
        } catch {
            throw .badRequest("the object provided is unrecognized: json parse error: \(error.message)")
        }
        guard ["", version.rawValue].contains(object.apiVersion) else {
            throw .badRequest(
                "the API version in the data (\(object.apiVersion)) does not match the expected API version (\(version))"
            )
        }
        guard ["", kind, version.kind(kind)].contains(object.kind) else {
            throw .badRequest("the kind in the data (\(object.kind)) does not match the expected kind (\(kind))")
        }
        do throws(FieldTable.NoPlace) {
            request.body = try version.new(object, kind: kind).serialized()
        } catch {
            throw refusal(
                400, "BadRequest", "\(version) has no field \(error.path) that could be kept", request, request.path)
        }
        request.contentType = Exchange.json
        // A field that neither version has must not get lost in silence.
        if request.parameter("fieldValidation") == nil { request.query.append(("fieldValidation", "Strict")) }
    }

    private static func refusal(
        _ code: Int, _ reason: String, _ why: String, _ request: ServerRequest, _ path: String
    ) -> StatusError {
        StatusError(code: code, reason: reason, message: "\(why): use \(request.method) \(path)", details: [:])
    }

    private static func query(
        _ query: [(name: String, value: String)], _ version: OldVersion
    ) -> [(name: String, value: String)] {
        query.compactMap { name, value in
            switch name {
            case "namespace": version.isFlat ? nil : (name, value)
            case "labels": ("labelSelector", value)
            case "fields", "fieldSelector": ("fieldSelector", fields(value))
            default: (name, value)
            }
        }
    }

    private static let fieldNames = [
        "spec.host": "spec.nodeName", "DesiredState.Host": "spec.nodeName", "Status.Phase": "status.phase",
        "name": "metadata.name", "id": "metadata.name",
    ]

    private static func fields(_ selector: String) -> String {
        selector.split(separator: ",").map { term in
            let name = term.prefix { $0 != "=" && $0 != "!" }
            return (fieldNames[String(name)] ?? String(name)) + term.dropFirst(name.count)
        }.joined(separator: ",")
    }
}

/// Translates an answer on its way to the client.
private final class OldVersionResponder: HTTPResponder {
    private let version: OldVersion
    private let request: ServerRequest
    private let inner: any HTTPResponder

    init(_ version: OldVersion, _ request: ServerRequest, _ inner: any HTTPResponder) {
        self.version = version
        self.request = request
        self.inner = inner
    }

    func respond(status: Int, headers: [(String, String)], body: [UInt8]) {
        guard var object = try? JSON.parse(body), object.isObject else {  // logs and their like pass as they are
            return inner.respond(status: status, headers: headers, body: body)
        }
        if status == 400, let message = object["message"].string, message.contains("strict decoding error") {
            object["message"] = .string("\(message): \(version) cannot keep it, use \(request.method) \(request.path)")
        }
        inner.respond(status: status, headers: headers, body: version.old(object).serialized() + [UInt8(ascii: "\n")])
    }

    func stream(status: Int, headers: [(String, String)]) -> any HTTPStream {
        let stream = inner.stream(status: status, headers: headers)
        let isWatch = headers.contains { $0.0 == "Content-Type" && $0.1.hasPrefix(Exchange.json) }
        return isWatch ? OldVersionStream(version, stream) : stream
    }

    func upgrade(_ change: ProtocolSwitch) { inner.upgrade(change) }
}

/// Translates the events of a watch. Each frame is one line.
private final class OldVersionStream: HTTPStream {
    private let version: OldVersion
    private let inner: any HTTPStream

    init(_ version: OldVersion, _ inner: any HTTPStream) {
        self.version = version
        self.inner = inner
    }

    func write(_ frame: Frame) -> Bool {
        guard var event = try? JSON.parse(frame.bytes), event["object"].isObject else {  // what is no event passes
            return inner.write(frame)
        }
        event["object"] = version.old(event["object"])
        return inner.write(Frame(event.serialized() + [UInt8(ascii: "\n")]))
    }

    var isWritable: Bool { inner.isWritable }
    func onClose(_ body: @escaping @Sendable () -> Void) { inner.onClose(body) }
    func onWritable(_ body: @escaping @Sendable () -> Void) { inner.onWritable(body) }
    func finish() { inner.finish() }
    func abort() { inner.abort() }
}
