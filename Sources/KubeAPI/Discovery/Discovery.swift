/// The documents by which clients learn what is served
/// (https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api).
public enum Discovery {
    /// `GET /api`
    public static func apiVersions(serverAddress: String) -> JSON {
        [
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [["clientCIDR": "0.0.0.0/0", "serverAddress": .string(serverAddress)]],
        ]
    }

    /// `GET /apis`
    public static func groupList(_ scheme: Scheme) -> JSON {
        ["kind": "APIGroupList", "apiVersion": "v1", "groups": .array(scheme.groups.map { groupBody(scheme, $0) })]
    }

    /// `GET /apis/GROUP`; nil for a group that is not served.
    public static func group(_ scheme: Scheme, _ group: String) -> JSON? {
        guard scheme.groups.contains(group) else { return nil }
        var document: JSON = ["kind": "APIGroup", "apiVersion": "v1"]
        for (key, value) in groupBody(scheme, group).object ?? JSONObject() { document[key] = value }
        return document
    }

    private static func groupBody(_ scheme: Scheme, _ group: String) -> JSON {
        let versions: [JSON] = scheme.versions(group: group).map {
            ["groupVersion": .string("\(group)/\($0)"), "version": .string($0)]
        }
        return ["name": .string(group), "versions": .array(versions), "preferredVersion": versions.first ?? .null]
    }

    /// `GET /api/v1`, `GET /apis/GROUP/VERSION`; nil for a version that is not served.
    public static func resourceList(_ scheme: Scheme, group: String, version: String) -> JSON? {
        let types = scheme.resources(group: group, version: version)
        guard let first = types.first else { return nil }
        var resources: [JSON] = []
        for type in types {
            resources.append([
                "name": .string(type.path.resource), "singularName": .string(type.singular),
                "namespaced": .bool(type.path.isNamespaced), "kind": .string(type.path.kind), "verbs": JSON(type.verbs),
                "shortNames": type.shortNames.isEmpty ? .null : JSON(type.shortNames),
                "categories": type.categories.isEmpty ? .null : JSON(type.categories),
            ])
            for sub in type.subresources {
                resources.append([
                    "name": .string("\(type.path.resource)/\(sub.name)"), "singularName": "",
                    "namespaced": .bool(type.path.isNamespaced), "group": JSON(sub.group), "version": JSON(sub.version),
                    "kind": .string(sub.kind), "verbs": JSON(sub.verbs),
                ])
            }
        }
        return [
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(first.path.apiVersion),
            "resources": .array(resources),
        ]
    }

    /// `APIGroupDiscoveryList`, all in one answer: of `/api` (the core group) or of `/apis`. `version` is `v2` or
    /// `v2beta1`.
    public static func aggregated(_ scheme: Scheme, core: Bool, version: String) -> JSON {
        let groups = core ? [""] : scheme.groups
        let items: [JSON] = groups.map { group in
            let versions: [JSON] = scheme.versions(group: group).map { version in
                [
                    "version": .string(version), "freshness": "Current",
                    "resources": .array(
                        scheme.resources(group: group, version: version).map(aggregatedResource)),
                ]
            }
            return [
                "metadata": group.isEmpty ? ["creationTimestamp": .null] : ["name": .string(group)],
                "versions": .array(versions),
            ]
        }
        return [
            "kind": "APIGroupDiscoveryList", "apiVersion": .string("apidiscovery.k8s.io/\(version)"),
            "metadata": .emptyObject, "items": .array(items),
        ]
    }

    private static func aggregatedResource(_ type: ResourceType) -> JSON {
        let subresources: [JSON] = type.subresources.map { sub in
            [
                "subresource": .string(sub.name),
                "responseKind": sub.groupVersionKind(in: type),
                "verbs": JSON(sub.verbs),
            ]
        }
        return [
            "resource": .string(type.path.resource),
            "responseKind": [
                "group": .string(type.path.group), "version": .string(type.path.version),
                "kind": .string(type.path.kind),
            ],
            "scope": type.path.isNamespaced ? "Namespaced" : "Cluster", "singularResource": .string(type.singular),
            "verbs": JSON(type.verbs), "shortNames": type.shortNames.isEmpty ? .null : JSON(type.shortNames),
            "categories": type.categories.isEmpty ? .null : JSON(type.categories),
            "subresources": subresources.isEmpty ? .null : .array(subresources),
        ]
    }
}
