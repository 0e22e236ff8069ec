/// OpenAPI v3 documents of what is served, one per group and version, made from the schemas. kubectl reads them for
/// `explain`, for the merge keys of `apply`, and to learn that the server validates fields.
public enum OpenAPIv3 {
    /// The index at `/openapi/v3`: `hash` gives each document's content hash.
    public static func index(_ scheme: Scheme, hash: (_ group: String, _ version: String) -> String) -> JSON {
        var paths = JSONObject()
        for (group, version) in groupVersions(scheme) {
            let path = path(group: group, version: version)
            paths[path] = ["serverRelativeURL": .string("/openapi/v3/\(path)?hash=\(hash(group, version))")]
        }
        return ["paths": .object(paths)]
    }

    /// `api/v1`, `apis/coordination.k8s.io/v1`: the key in the index, and the path below `/openapi/v3/`.
    public static func path(group: String, version: String) -> String {
        group.isEmpty ? "api/\(version)" : "apis/\(group)/\(version)"
    }

    public static func groupVersions(_ scheme: Scheme) -> [(group: String, version: String)] {
        ([""] + scheme.groups).flatMap { group in scheme.versions(group: group).map { (group: group, version: $0) } }
    }

    /// The document of one group and version; nil where it is not served.
    public static func document(_ scheme: Scheme, group: String, version: String) -> JSON? {
        let types = scheme.resources(group: group, version: version)
        guard !types.isEmpty else { return nil }
        var components = ComponentWriter(types)
        var paths = JSONObject()
        for type in types {
            components.add(type.schema)
            if type.verbs.contains("list") { components.addList(of: type) }
            OpenAPIPaths(type).write(into: &paths)
            for subresource in type.subresources {
                components.add(
                    scheme.schema(apiVersion: subresource.apiVersion(in: type), kind: subresource.kind),
                    kind: subresource.groupVersionKind(in: type))
            }
        }
        components.add(SchemaTable.shared["meta/v1.DeleteOptions"])
        components.add(SchemaTable.shared["meta/v1.Status"])
        return [
            "openapi": "3.0.0",
            "info": ["title": "Kubernetes", "version": .string(KubernetesVersion.gitVersion)],
            "paths": .object(paths),
            "components": ["schemas": .object(components.finish())],
        ]
    }
}
