import KubeAPI

extension StatusError {
    /// What a client is told of a write that the store did not do.
    static func store(_ error: StoreError, _ resource: ServedResource, name: String) -> StatusError {
        switch error {
        case .exists: .alreadyExists(resource.resource, group: resource.group, name: name)
        case .notFound: .notFound(resource.resource, group: resource.group, name: name)
        case .conflict: .conflict(resource.resource, group: resource.group, name: name)
        default: .store(error)
        }
    }

    /// The same where no object is to blame.
    static func store(_ error: StoreError) -> StatusError {
        switch error {
        case .exists, .notFound, .conflict: .internalError("\(error)")
        case .compacted(let revision): .expired("history up to revision \(revision) has been compacted")
        case .unusable(let text), .failed(let text): .internalError(text)
        case .tooLarge(let text):
            StatusError(code: 413, reason: "RequestEntityTooLarge", message: text)
        case .unavailable(let text):
            StatusError(code: 503, reason: "ServiceUnavailable", message: text)
        case .timedOut(let text):
            StatusError(code: 504, reason: "Timeout", message: text)
        case .closed:
            StatusError(code: 503, reason: "ServiceUnavailable", message: "the server is shutting down")
        }
    }

    /// `pods "x" is forbidden: why`
    static func forbidden(_ resource: ServedResource, name: String, _ why: String) -> StatusError {
        .forbidden(
            "\(resource.qualifiedName) \"\(name)\" is forbidden: \(why)", resource.resource, group: resource.group,
            name: name)
    }
}

extension JSON {
    /// A Status that says that all went well.
    static func success(details: JSON = .null, code: Int? = nil) -> JSON {
        [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "details": details,
            "code": JSON(code),
        ]
    }
}
