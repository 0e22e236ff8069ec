import KubeAPI

/// `/openapi/v3` and its documents. Clients keep them by their hash, which is part of the address that the index gives.
enum OpenAPIHandler {
    static func handle(_ exchange: Exchange, _ parts: [String], _ context: ServerContext) throws(StatusError) {
        try PathHandler.check(exchange, inJSON: true)
        // Writing a document for the first time takes long for an event loop, and nobody is in a hurry for it.
        Task {
            guard let document = document(parts, context.openAPI) else { return exchange.fail(.unknownPath) }
            send(document, exchange)
        }
    }

    private static func document(_ parts: [String], _ documents: OpenAPIDocuments) -> OpenAPIDocuments.Document? {
        switch (parts.first, parts.count) {
        case (nil, _): documents.index()
        case ("api", 2): documents.document(group: "", version: parts[1])
        case ("apis", 3): documents.document(group: parts[1], version: parts[2])
        default: nil
        }
    }

    private static func send(_ document: OpenAPIDocuments.Document, _ exchange: Exchange) {
        var headers = [("ETag", document.etag), ("Vary", "Accept")]
        if let hash = exchange.request.parameter("hash") {
            let current = document.etag.filter { $0 != "\"" }
            guard hash == current else {
                // An address of another version of us: the contents are here now.
                return exchange.send(
                    text: "", status: 301, headers: [("Location", "\(exchange.request.path)?hash=\(current)")])
            }
            headers.append(("Cache-Control", "public, immutable, max-age=31536000"))
        }
        let known = exchange.request.ifNoneMatch
        if known == "*" || known.contains(document.etag) { return exchange.send([], status: 304, headers: headers) }
        exchange.send(document.body, headers: headers)
    }
}
