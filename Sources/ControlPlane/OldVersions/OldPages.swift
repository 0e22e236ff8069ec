import KubeAPI

/// What the server of 2015 showed beside its objects: the API's description in Swagger's form 1.2, and pages for people.
/// Ours have no scripts: nothing of what a page shows can act.
enum OldPages {
    /// `/api/v1beta3`: what the version has.
    static func resources(_ version: String) -> JSON {
        let old = OldVersion(rawValue: version) ?? .v1beta3
        let names = OldVersion.kinds.keys.sorted()
        return [
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(version),
            "resources": .array(
                names.map { name in
                    [
                        "name": .string(old.isFlat && name == "nodes" ? "minions" : name), "singularName": "",
                        "namespaced": .bool(name != "nodes" && name != "namespaces"),
                        "kind": .string(old.kind(OldVersion.kinds[name] ?? "")), "verbs": .array(verbs(old, name)),
                    ]
                }),
        ]
    }

    private static func verbs(_ version: OldVersion, _ resource: String) -> [JSON] {
        if resource == "bindings" { return version.isFlat ? [] : ["create"] }
        let canCreate = !version.isFlat || OldVersion.flatCreates.contains(resource)
        return ["delete", "get", "list", "watch"] + (canCreate ? ["create"] : []) + (version.isFlat ? [] : ["update"])
    }

    // MARK: the description

    /// `/swaggerapi/`: what there is; `/swaggerapi/api/v1`, `/swaggerapi/apis/GROUP/VERSION`: one version.
    static func swagger(_ exchange: Exchange, _ parts: [String], _ context: ServerContext) throws(StatusError) {
        let scheme = context.registry.scheme
        if parts.isEmpty {
            let apis = OpenAPIv3.groupVersions(scheme).map { group, version in
                let path = OpenAPIv3.path(group: group, version: version)
                return ["path": .string("/\(path)"), "description": .string("API at /\(path)")] as JSON
            }
            return exchange.send([
                "swaggerVersion": "1.2", "apiVersion": .string(KubernetesVersion.gitVersion), "apis": .array(apis),
                "info": ["title": "Kubernetes API", "description": "as data, in the form of Swagger 1.2"],
            ])
        }
        let group: String
        let version: String
        switch (parts[0], parts.count) {
        case ("api", 2): (group, version) = ("", parts[1])
        case ("apis", 3): (group, version) = (parts[1], parts[2])
        default: throw .unknownPath
        }
        guard !scheme.resources(group: group, version: version).isEmpty else { throw .unknownPath }
        // Writing it takes long for an event loop.
        Task { exchange.send(SwaggerDeclaration.make(scheme, group: group, version: version)) }
    }

    // MARK: pages

    static func page(_ exchange: Exchange, _ name: String, _ context: ServerContext) {
        let links: [(String, String)]
        let title: String
        if name == "static" {
            title = "Swiftlet"
            links = IndexHandler.paths(context).map { ($0, $0) }
        } else {
            title = "API description"
            links = OpenAPIv3.groupVersions(context.registry.scheme).map { group, version in
                let path = OpenAPIv3.path(group: group, version: version)
                return ("/swaggerapi/\(path)", group.isEmpty ? version : "\(group)/\(version)")
            }
        }
        // Paths and group names have no character that HTML would read.
        let list = links.map { "<li><a href=\"\($0.0)\">\($0.1)</a>" }.joined(separator: "\n")
        let text =
            "<!doctype html>\n<meta charset=\"utf-8\">\n<title>\(title)</title>\n<h1>\(title)</h1>\n<ul>\n\(list)\n</ul>\n"
        exchange.send(
            Array(text.utf8), contentType: "text/html; charset=utf-8",
            headers: [
                ("Content-Security-Policy", "default-src 'none'"), ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "DENY"),
            ])
    }
}
