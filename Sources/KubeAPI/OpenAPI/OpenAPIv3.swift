/// OpenAPI v3 documents of what is served, one per group and version, made from the schemas. kubectl reads them for
/// `explain` and to learn that the server validates fields.
public enum OpenAPIv3 {
    /// The index at `/openapi/v3`: `hash` gives each document's content hash.
    public static func index(_ scheme: Scheme, hash: (_ group: String, _ version: String) -> String) -> JSON {
        var paths = JSONObject()
        for (group, version) in groupVersions(scheme) {
            let path = group.isEmpty ? "api/\(version)" : "apis/\(group)/\(version)"
            paths[path] = ["serverRelativeURL": .string("/openapi/v3/\(path)?hash=\(hash(group, version))")]
        }
        return ["paths": .object(paths)]
    }

    public static func groupVersions(_ scheme: Scheme) -> [(group: String, version: String)] {
        ([""] + scheme.groups).flatMap { group in
            Discovery.versions(scheme, group).map { (group: group, version: $0) }
        }
    }

    /// The document of one group and version; nil where it is not served.
    public static func document(_ scheme: Scheme, group: String, version: String) -> JSON? {
        let types = scheme.resources.filter { $0.path.group == group && $0.path.version == version }
        guard !types.isEmpty else { return nil }
        var components = ComponentWriter()
        var paths = JSONObject()
        for type in types {
            components.add(type.schema.typeName)
            components.addList(of: type)
            addPaths(type, &paths)
        }
        components.add("meta/v1.DeleteOptions")
        components.add("meta/v1.Status")
        return [
            "openapi": "3.0.0",
            "info": ["title": "Kubernetes", "version": .string(KubernetesVersion.gitVersion)],
            "paths": .object(paths),
            "components": ["schemas": .object(components.finish(kinds: types))],
        ]
    }

    // MARK: paths

    private static func addPaths(_ type: ResourceType, _ paths: inout JSONObject) {
        let collection = type.path.path(namespace: type.path.isNamespaced ? "{namespace}" : nil)
        if type.path.isNamespaced { paths[type.path.path()] = pathItem(type, ["list"], parameters: []) }
        let scope = type.path.isNamespaced ? ["namespace"] : []
        paths[collection] = pathItem(type, ["list", "create", "deletecollection"], parameters: scope)
        paths[collection + "/{name}"] = pathItem(
            type, ["get", "update", "patch", "delete"], parameters: scope + ["name"])
        for sub in type.subresources where sub.kind == type.path.kind && sub.name != "log" {
            paths[collection + "/{name}/\(sub.name)"] = pathItem(
                type, sub.verbs, parameters: scope + ["name"])
        }
    }

    private static func pathItem(_ type: ResourceType, _ verbs: [String], parameters: [String]) -> JSON {
        var item = JSONObject()
        for verb in verbs where type.verbs.contains(verb) {
            let method: String
            let action: String
            switch verb {
            case "list": (method, action) = ("get", "list")
            case "get": (method, action) = ("get", "get")
            case "create": (method, action) = ("post", "post")
            case "update": (method, action) = ("put", "put")
            case "patch": (method, action) = ("patch", "patch")
            case "delete": (method, action) = ("delete", "delete")
            default: (method, action) = ("delete", "deletecollection")
            }
            item[method] = operation(type, action)
        }
        item["parameters"] = .array(
            parameters.map {
                ["name": .string($0), "in": "path", "required": true, "schema": ["type": "string", "uniqueItems": true]]
            })
        return .object(item)
    }

    private static func operation(_ type: ResourceType, _ action: String) -> JSON {
        let body: JSON = ["$ref": .string("#/components/schemas/\(ComponentWriter.name(type.schema.typeName))")]
        var query: [String] = []
        switch action {
        case "post", "put": query = ["dryRun", "fieldManager", "fieldValidation"]
        case "patch": query = ["dryRun", "fieldManager", "fieldValidation", "force"]
        case "delete": query = ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"]
        case "list", "deletecollection":
            query = [
                "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
                "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
            ]
        default: break
        }
        var operation: JSON = [
            "operationId": .string("\(action)\(type.path.kind)"),
            "parameters": .array(
                query.map { ["name": .string($0), "in": "query", "schema": ["type": "string", "uniqueItems": true]] }),
            "responses": ["200": ["description": "OK", "content": ["application/json": ["schema": body]]]],
            "x-kubernetes-action": .string(action),
            "x-kubernetes-group-version-kind": [
                "group": .string(type.path.group), "version": .string(type.path.version), "kind": .string(type.path.kind),
            ],
        ]
        switch action {
        case "post", "put":
            operation["requestBody"] = ["content": ["*/*": ["schema": body]], "required": true]
        case "patch":
            let schema: JSON = ["schema": ["type": "object"]]
            operation["requestBody"] = [
                "content": [
                    "application/json-patch+json": schema, "application/merge-patch+json": schema,
                    "application/strategic-merge-patch+json": schema,
                ], "required": true,
            ]
        default: break
        }
        return operation
    }
}
