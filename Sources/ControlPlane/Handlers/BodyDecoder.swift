import KubeAPI

/// Reads the body of a request: JSON, YAML or protobuf into the tree of one kind, in the form in which it is stored.
struct BodyDecoder {
    /// The kind that is wanted.
    let kind: String
    let group: String
    let version: String
    let schema: Schema
    let scheme: Scheme

    struct Decoded: Sendable {
        var object: JSON
        /// What strict decoding would refuse: `unknown field "spec.x"`, `duplicate field "spec.y"`.
        var problems: [String]
    }

    static let unsupported = StatusError.unsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: application/json, "
            + "application/yaml, application/vnd.kubernetes.protobuf")

    init(_ resource: ServedResource, _ context: ServerContext) {
        kind = resource.kind
        group = resource.group
        version = resource.type.path.version
        schema = resource.type.schema
        scheme = context.registry.scheme
    }

    /// For bodies that are no stored kind: `DeleteOptions`, `Scale`, `Binding`.
    init(kind: String, group: String, version: String, schema: Schema, scheme: Scheme) {
        self.kind = kind
        self.group = group
        self.version = version
        self.schema = schema
        self.scheme = scheme
    }

    private var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// Reads the body and checks it: its kind, the types of its values, its fields. `takesAnyVersion` is for kinds that
    /// are registered in every group.
    func decode(_ request: ServerRequest, takesAnyVersion: Bool = false) throws(StatusError) -> Decoded {
        var found = Duplicates.none
        var object = try tree(request, &found)
        if takesAnyVersion, object["apiVersion"].string != nil { object["apiVersion"] = .string(apiVersion) }
        try identify(&object)
        let unknown = schema.prune(&object)
        if let error = schema.typeErrors(object, limit: 1).first { throw cannotHandle(object, error) }
        schema.normalize(&object)
        return Decoded(object: object, problems: problems(unknown, found, request.body))
    }

    /// Names that come twice in an object of the body.
    private enum Duplicates {
        case none
        /// Their paths.
        case json([String])
        /// What Go's yaml says of them.
        case yaml(String)
    }

    private func problems(_ unknown: [String], _ duplicates: Duplicates, _ body: [UInt8]) -> [String] {
        switch duplicates {
        case .none: unknown.isEmpty ? [] : Self.problems(duplicates: [], unknown: unknown)
        case .json(let paths): Schema.strictErrors(body, unknown: unknown, duplicates: paths)
        case .yaml(let text): [text] + Self.problems(duplicates: [], unknown: unknown)
        }
    }

    /// Of a patch, whose own faults come before those of what it makes.
    static func problems(duplicates: [String], unknown: [String]) -> [String] {
        duplicates.map { "duplicate field \"\($0)\"" } + unknown.map { "unknown field \"\($0)\"" }
    }

    /// What follows from the problems: an error, or the headers that warn of them.
    func judge(_ decoded: Decoded, _ validation: FieldValidation) throws(StatusError) -> [(String, String)] {
        if decoded.problems.isEmpty { return [] }
        switch validation {
        case .ignore: return []
        case .warn: return WarningHeader.headers(decoded.problems)
        case .strict:
            throw cannotHandle(
                decoded.object, "strict decoding error: \(decoded.problems.joined(separator: ", "))")
        }
    }

    // MARK: - Formats

    private func tree(_ request: ServerRequest, _ found: inout Duplicates) throws(StatusError) -> JSON {
        let body = request.body
        var duplicates: [String] = []
        // The common case without taking the header apart.
        switch request.contentType == Exchange.json ? Exchange.json : MediaType(request.contentType).type {
        case Exchange.json, "":
            let value: JSON
            do throws(JSONError) {
                value = try JSON.parse(body, duplicates: &duplicates)
            } catch {
                throw unrecognized("couldn't get version/kind; json parse error: \(error.message)", body)
            }
            if !duplicates.isEmpty { found = .json(duplicates) }
            return try checkIsObject(value, body)
        case "application/yaml":
            let documents: [JSON]
            do throws(YAMLError) {
                documents = try YAML.parse(body, duplicates: &duplicates)
                // As Go's yaml puts them, in one.
                if !duplicates.isEmpty {
                    found = .yaml("yaml: unmarshal errors:\n  " + duplicates.joined(separator: "\n  "))
                }
            } catch {
                throw unrecognized("error converting YAML to JSON: \(error)", body)
            }
            return try checkIsObject(documents.first ?? .null, body)
        case "application/vnd.kubernetes.protobuf":
            return try ProtobufDecoder.decode(body, scheme: scheme)
        default:
            throw Self.unsupported
        }
    }

    private func checkIsObject(_ value: JSON, _ body: [UInt8]) throws(StatusError) -> JSON {
        if value.isObject { return value }
        // Go's type, as its decoder prints it.
        throw unrecognized(
            "couldn't get version/kind; json parse error: json: cannot unmarshal \(value.decoderName) into Go value of type struct "
                + #"{ APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#,
            body)
    }

    // MARK: - Kinds

    /// Fills in kind and version where the client leaves them out, and refuses others.
    private func identify(_ object: inout JSON) throws(StatusError) {
        for name in ["kind", "apiVersion"] where !object[name].isNull && object[name].string == nil {
            throw .badRequest("couldn't get version/kind; json parse error: \(name) must be a string")
        }
        let foundKind = object["kind"].stringValue
        let foundVersion = object["apiVersion"].stringValue
        if foundKind == kind && foundVersion == apiVersion { return }
        if (foundKind.isEmpty || foundKind == kind) && foundVersion.isEmpty
            || foundKind.isEmpty && foundVersion == apiVersion
        {
            object["kind"] = .string(kind)
            object["apiVersion"] = .string(apiVersion)
            return
        }
        let isKnown =
            scheme.schema(apiVersion: foundVersion.isEmpty ? apiVersion : foundVersion, kind: foundKind) != nil
        guard foundKind == kind || foundKind.isEmpty else {
            let why =
                isKnown
                ? "converting (v1.\(foundKind)) to (core.\(kind)): unknown conversion"
                : "no kind \"\(foundKind)\" is registered for version \"\(foundVersion.isEmpty ? apiVersion : foundVersion)\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""
            throw cannotHandle(object, why)
        }
        throw .badRequest(
            "the API version in the data (\(foundVersion)) does not match the expected API version (\(apiVersion))")
    }

    // MARK: - Errors

    private func cannotHandle(_ object: JSON, _ why: String) -> StatusError {
        let found = object["kind"].string ?? kind
        let text = object["apiVersion"].string ?? apiVersion
        let foundVersion = text.split(separator: "/").last.map(String.init) ?? version
        return .badRequest("\(found) in version \"\(foundVersion)\" cannot be handled as a \(kind): \(why)")
    }

    private func unrecognized(_ why: String, _ body: [UInt8]) -> StatusError {
        .badRequest("the object provided is unrecognized (must be of type \(kind)): \(why) (\(Self.summary(body)))")
    }

    /// The beginning of a body, for messages.
    private static func summary(_ body: [UInt8]) -> String {
        guard let first = body.first else { return "<empty>" }
        let start = body.prefix(30)
        let rest = body.count > 30 ? " ..." : ""
        if first == UInt8(ascii: "{") { return String(decoding: start, as: UTF8.self) + rest }
        return start.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + rest
    }
}
