/// An error of the API: what becomes a `Status` object on the wire (Kubernetes API conventions, "Response Status Kind").
/// Clients match on `reason` and on the exact `message`.
public struct StatusError: Error, Sendable, CustomStringConvertible {
    public var code: Int
    public var reason: String
    public var message: String
    /// `details` of the Status: name, group, kind, uid, causes, retryAfterSeconds.
    public var details: JSON
    /// `metadata` of the Status: where a list that has expired may be continued.
    public var metadata: JSON = .emptyObject

    public init(code: Int, reason: String, message: String, details: JSON = .null) {
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
    }

    /// From a Status object; `code` where the object does not say.
    public init(status: JSON, code: Int = 500) {
        self.code = status["code"].int ?? code
        self.reason = status["reason"].stringValue
        self.message = status["message"].string ?? "the server answered with status \(code)"
        self.details = status["details"]
    }

    public var description: String { message }

    /// Asking again will not help: the server is there, and means it.
    public var isFinal: Bool { code < 500 && code != 429 }

    /// The Status object.
    public var json: JSON {
        [
            "kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure",
            "message": .string(message),
            "reason": reason.isEmpty ? .null : .string(reason), "details": details, "code": .int(Int64(code)),
        ]
    }

    public var isNotFound: Bool { reason == "NotFound" }
    public var isConflict: Bool { reason == "Conflict" }
    public var isAlreadyExists: Bool { reason == "AlreadyExists" }
    /// The resourceVersion is too old: list again.
    public var isExpired: Bool { reason == "Expired" || reason == "Gone" || code == 410 }
}

extension StatusError {
    private static func details(_ resource: String, group: String, name: String) -> JSON {
        [
            "name": name.isEmpty ? .null : .string(name), "group": group.isEmpty ? .null : .string(group),
            "kind": .string(resource),
        ]
    }

    private static func qualified(_ resource: String, _ group: String) -> String {
        group.isEmpty ? resource : "\(resource).\(group)"
    }

    /// `pods "x" not found`
    public static func notFound(_ resource: String, group: String = "", name: String) -> StatusError {
        StatusError(
            code: 404, reason: "NotFound", message: "\(qualified(resource, group)) \"\(name)\" not found",
            details: details(resource, group: group, name: name))
    }

    /// `pods "x" already exists`
    public static func alreadyExists(_ resource: String, group: String = "", name: String) -> StatusError {
        StatusError(
            code: 409, reason: "AlreadyExists", message: "\(qualified(resource, group)) \"\(name)\" already exists",
            details: details(resource, group: group, name: name))
    }

    /// `Operation cannot be fulfilled on pods "x": …`
    public static func conflict(
        _ resource: String, group: String = "", name: String,
        _ why: String = "the object has been modified; please apply your changes to the latest version and try again"
    ) -> StatusError {
        StatusError(
            code: 409, reason: "Conflict",
            message: "Operation cannot be fulfilled on \(qualified(resource, group)) \"\(name)\": \(why)",
            details: details(resource, group: group, name: name))
    }

    public static func forbidden(_ message: String, _ resource: String = "", group: String = "", name: String = "")
        -> StatusError
    {
        StatusError(
            code: 403, reason: "Forbidden", message: message, details: details(resource, group: group, name: name))
    }

    public static func unauthorized() -> StatusError {
        StatusError(code: 401, reason: "Unauthorized", message: "Unauthorized")
    }

    public static func badRequest(_ message: String) -> StatusError {
        StatusError(code: 400, reason: "BadRequest", message: message)
    }

    public static func methodNotAllowed(
        _ message: String = "the server does not allow this method on the requested resource"
    )
        -> StatusError
    {
        StatusError(code: 405, reason: "MethodNotAllowed", message: message)
    }

    public static func expired(_ message: String) -> StatusError {
        StatusError(code: 410, reason: "Expired", message: message)
    }

    public static func tooLarge(_ message: String) -> StatusError {
        StatusError(code: 413, reason: "RequestEntityTooLarge", message: message)
    }

    public static func unsupportedMediaType(_ message: String) -> StatusError {
        StatusError(code: 415, reason: "UnsupportedMediaType", message: message)
    }

    public static func internalError(_ message: String) -> StatusError {
        StatusError(
            code: 500, reason: "InternalError", message: "Internal error occurred: \(message)",
            details: ["causes": [["message": .string(message)]]])
    }

    /// `Pod "x" is invalid: spec.containers: Required value` (422). Several causes are listed in brackets, as
    /// Kubernetes' field error lists are.
    public static func invalid(kind: String, group: String = "", name: String, _ causes: [FieldError]) -> StatusError {
        let texts = causes.map(\.description)
        let list = texts.count == 1 ? texts[0] : "[\(texts.joined(separator: ", "))]"
        return StatusError(
            code: 422, reason: "Invalid",
            message: "\(group.isEmpty ? kind : "\(kind).\(group)") \"\(name)\" is invalid: \(list)",
            details: [
                "name": .string(name), "group": group.isEmpty ? .null : .string(group), "kind": .string(kind),
                "causes": .array(
                    causes.map {
                        [
                            "reason": .string($0.reason.rawValue), "message": .string($0.body),
                            "field": .string($0.field),
                        ]
                    }),
            ])
    }
}

/// One reason why an object is invalid, in the words of Kubernetes' field errors.
public struct FieldError: Error, Sendable, CustomStringConvertible {
    public enum Reason: String, Sendable {
        case required = "FieldValueRequired"
        case invalid = "FieldValueInvalid"
        case duplicate = "FieldValueDuplicate"
        case notSupported = "FieldValueNotSupported"
        case forbidden = "FieldValueForbidden"
        case notFound = "FieldValueNotFound"
        case tooLong = "FieldValueTooLong"
        case tooMany = "FieldValueTooMany"
        case typeInvalid = "FieldValueTypeInvalid"
    }

    public let reason: Reason
    /// A path such as `spec.containers[0].name`.
    public let field: String
    /// The text after the field's path.
    public let body: String

    public init(_ reason: Reason, _ field: String, _ body: String) {
        self.reason = reason
        self.field = field
        self.body = body
    }

    public var description: String { "\(field): \(body)" }

    /// `spec.x: Required value` or `spec.x: Required value: detail`
    public static func required(_ field: String, _ detail: String = "") -> FieldError {
        FieldError(.required, field, detail.isEmpty ? "Required value" : "Required value: \(detail)")
    }
    /// `spec.x: Invalid value: "v": detail`; the value as Kubernetes prints it (strings quoted, numbers bare).
    public static func invalid(_ field: String, _ value: JSON, _ detail: String) -> FieldError {
        FieldError(.invalid, field, "Invalid value: \(value.printed): \(detail)")
    }
    /// `spec.x: Unsupported value: "v": supported values: "A", "B"`
    public static func notSupported(_ field: String, _ value: JSON, _ supported: [String]) -> FieldError {
        FieldError(
            .notSupported, field,
            "Unsupported value: \(value.printed): supported values: "
                + supported.map { "\"\($0)\"" }.joined(separator: ", "))
    }
    public static func duplicate(_ field: String, _ value: JSON) -> FieldError {
        FieldError(.duplicate, field, "Duplicate value: \(value.printed)")
    }
    public static func forbidden(_ field: String, _ detail: String) -> FieldError {
        FieldError(.forbidden, field, "Forbidden: \(detail)")
    }
}

extension JSON {
    /// As field errors print a value: strings quoted, numbers bare, the rest as JSON.
    var printed: String { String(decoding: serialized(), as: UTF8.self) }
}
