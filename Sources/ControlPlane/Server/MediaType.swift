import KubeAPI

/// One entry of an Accept header, or a Content-Type: `application/json;as=Table;v=v1;g=meta.k8s.io`.
struct MediaType: Sendable, Equatable {
    /// `application/json`, in lower case.
    let type: String
    let parameters: [String: String]

    init(_ text: some StringProtocol) {
        let parts = text.split(separator: ";", omittingEmptySubsequences: true)
        type = parts.first.map { Self.trim($0).lowercased() } ?? ""
        var parameters: [String: String] = [:]
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { continue }
            parameters[Self.trim(pair[0]).lowercased()] = Self.trim(pair[1])
        }
        self.parameters = parameters
    }

    private static func trim(_ text: some StringProtocol) -> String {
        var slice = Substring(text)
        while slice.first == " " || slice.first == "\t" || slice.first == "\"" { slice.removeFirst() }
        while slice.last == " " || slice.last == "\t" || slice.last == "\"" { slice.removeLast() }
        return String(slice)
    }

    /// Whether a JSON answer satisfies it.
    var takesJSON: Bool { type == "application/json" || type == "*/*" || type == "application/*" || type.isEmpty }

    /// The entries of an Accept header in order of appearance; an absent header takes anything.
    static func accepted(_ header: String) -> [MediaType] {
        header.isEmpty ? [MediaType("*/*")] : header.split(separator: ",").map { MediaType($0) }
    }
}

extension Representation {
    /// What the client asks for, by the first form of its Accept header that we have. Answers are JSON; 406 only where
    /// the header leaves no room for it.
    static func negotiate(_ request: ServerRequest) throws(StatusError) -> Representation {
        // The common cases without splitting.
        if request.accept == "application/json" || request.accept.isEmpty || request.accept == "*/*" { return .object }
        for media in MediaType.accepted(request.accept) where media.takesJSON {
            switch media.parameters["as"] {
            case nil: return .object
            case "Table" where isMeta(media): return .table(try include(request))
            case "PartialObjectMetadata" where isMeta(media), "PartialObjectMetadataList" where isMeta(media):
                return .partialMetadata
            default: continue
            }
        }
        throw StatusError(
            code: 406, reason: "NotAcceptable",
            message: "only the following media types are accepted: application/json, application/json;stream=watch")
    }

    private static func isMeta(_ media: MediaType) -> Bool {
        media.parameters["g"] == "meta.k8s.io" && (media.parameters["v"] == "v1" || media.parameters["v"] == "v1beta1")
    }

    private static func include(_ request: ServerRequest) throws(StatusError) -> Include {
        switch request.parameter("includeObject") {
        case nil, "Metadata": return .metadata
        case "None": return .none
        case "Object": return .object
        case .some(let other):
            throw .badRequest("unrecognized includeObject value: \"\(other)\"")
        }
    }
}
