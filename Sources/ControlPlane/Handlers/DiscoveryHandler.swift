import KubeAPI

/// `/api`, `/apis` and what lies between them and the resources: what is served, for clients that find out.
enum DiscoveryHandler {
    static func handle(_ exchange: Exchange, _ parts: [String], _ context: ServerContext) throws(StatusError) {
        let scheme = context.registry.scheme
        let isCore = parts[0] == "api"
        let document: JSON?
        switch (isCore, parts.count) {
        case (_, 1):
            try PathHandler.check(exchange, inJSON: true)
            if let version = aggregatedVersion(exchange.request) {
                return exchange.send(
                    Discovery.aggregated(scheme, core: isCore, version: version),
                    contentType: "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList",
                    headers: [("Vary", "Accept")])
            }
            document =
                isCore ? Discovery.apiVersions(serverAddress: context.serverAddress) : Discovery.groupList(scheme)
        case (true, 2): document = Discovery.resourceList(scheme, group: "", version: parts[1])
        case (false, 2): document = Discovery.group(scheme, parts[1])
        case (false, 3): document = Discovery.resourceList(scheme, group: parts[1], version: parts[2])
        default: document = nil
        }
        guard let document else { throw .unknownPath }
        try PathHandler.check(exchange, inJSON: true)
        exchange.send(document, headers: parts.count == 1 ? [("Vary", "Accept")] : [])
    }

    /// The first form of the Accept header that we have: nil for the plain documents.
    private static func aggregatedVersion(_ request: ServerRequest) -> String? {
        for media in MediaType.accepted(request.accept) where media.takesJSON {
            guard let form = media.parameters["as"] else { return nil }
            if form == "APIGroupDiscoveryList", media.parameters["g"] == "apidiscovery.k8s.io",
                let version = media.parameters["v"], version == "v2" || version == "v2beta1"
            {
                return version
            }
        }
        return nil
    }
}
