import KubeAPI

/// PATCH of an object or of its status: JSON patch, merge patch, strategic merge patch, or server-side apply.
enum PatchHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let representation = try Representation.negotiate(exchange.request)
        let type = try Patch.type(exchange.request, among: Patch.ofObjects)
        if type == .apply { return try ApplyHandler(exchange, resource, context).run() }
        let options = try WriteOptions(exchange)
        let patch = try Patch(exchange.request, type)
        let decoder = BodyDecoder(resource, context)
        // Warnings come of the last attempt, the one that counts; they are the same for all unless somebody races.
        let warnings = WarningBox()
        try ObjectUpdate(
            exchange, resource, context, subresource: exchange.info.subresource, isDryRun: options.isDryRun,
            ownership: .updated(by: options.author(exchange, resource)),
            change: { (current) throws(StatusError) in
                let decoded = try patch.apply(to: current, decoder)
                warnings.set(try patch.judge(decoded, options.validation))
                return decoded.object
            },
            answer: { exchange.send($0, of: resource.type, as: representation, headers: warnings.headers) }
        ).run()
    }
}

/// A patch as a client sent it.
struct Patch: Sendable {
    let type: PatchType
    let document: JSON
    /// Members that come twice in it.
    private let duplicates: [String]

    static let ofObjects: [PatchType] = [.json, .merge, .strategic, .apply]

    static func type(_ request: ServerRequest, among accepted: [PatchType]) throws(StatusError) -> PatchType {
        guard let type = PatchType(rawValue: MediaType(request.contentType).type), accepted.contains(type) else {
            throw .unsupportedMediaType(
                "the body of the request was in an unknown format - accepted media types include: "
                    + accepted.map(\.rawValue).joined(separator: ", "))
        }
        return type
    }

    init(_ request: ServerRequest, _ type: PatchType) throws(StatusError) {
        self.type = type
        do throws(JSONError) {
            var duplicates: [String] = []
            document = try JSON.parse(request.body, duplicates: &duplicates)
            self.duplicates = duplicates
        } catch {
            throw .badRequest(type == .strategic ? error.message : "error decoding patch: \(error.message)")
        }
        // RFC 7386 would let any value replace the whole object, which is no object then.
        if type != .json, !document.isObject {
            throw .badRequest(
                "error decoding patch: json: cannot unmarshal \(document.decoderName) into Go value of type "
                    + "map[string]interface {}")
        }
    }

    /// The patched object, decoded as a body would be.
    func apply(to current: JSON, _ decoder: BodyDecoder) throws(StatusError) -> BodyDecoder.Decoded {
        let patched: JSON
        switch type {
        case .json: patched = try JSONPatch.apply(document, to: current)
        case .merge: patched = MergePatch.apply(document, to: current)
        case .strategic, .apply:
            patched = try StrategicMergePatch.apply(document, to: current, schema: decoder.schema)
        }
        guard patched.isObject else { throw unusable(patched, "the result is not an object") }
        guard patched.kind == current.kind, patched.apiVersion == current.apiVersion else {
            throw .badRequest(
                "\(patched.kind) in version \"\(patched.apiVersion)\" cannot be handled as a \(decoder.kind): a patch cannot change kind and apiVersion"
            )
        }
        var object = patched
        let unknown = decoder.schema.prune(&object)
        if let error = decoder.schema.typeErrors(object, limit: 1).first { throw unusable(patched, error) }
        decoder.schema.normalize(&object)
        return BodyDecoder.Decoded(
            object: object,
            problems: BodyDecoder.problems(duplicates: duplicates, unknown: unknown))
    }

    /// As `BodyDecoder.judge`, in the words for patches.
    func judge(
        _ decoded: BodyDecoder.Decoded, _ validation: FieldValidation
    ) throws(StatusError) -> [(String, String)] {
        if decoded.problems.isEmpty || validation == .ignore { return [] }
        if validation == .warn { return WarningHeader.headers(decoded.problems) }
        throw unusable(document, "strict decoding error: \(decoded.problems.joined(separator: ", "))")
    }

    private func unusable(_ shown: JSON, _ why: String) -> StatusError {
        // Kubernetes shows the document as a string in the message, which kubectl prints after "The request is invalid".
        .invalid(kind: "", name: "", [.invalid("patch", .string(shown.description), why)])
    }
}
