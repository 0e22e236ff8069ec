@testable import KubeAPI
import Testing

@Suite struct OpenAPITests {
    private static let documents: [(group: String, version: String, document: JSON)] =
        OpenAPIv3.groupVersions(.builtin).compactMap { group, version in
            OpenAPIv3.document(.builtin, group: group, version: version).map { (group, version, $0) }
        }
    private static var core: JSON { documents[0].document }

    private func schemas(_ document: JSON) -> JSONObject { document["components"]["schemas"].object ?? JSONObject() }

    private func references(_ value: JSON, into found: inout Set<String>) {
        switch value {
        case .object(let object):
            for (name, member) in object {
                if name == "$ref", let text = member.string {
                    found.insert(text)
                } else {
                    references(member, into: &found)
                }
            }
        case .array(let elements): for element in elements { references(element, into: &found) }
        default: break
        }
    }

    @Test func hasADocumentForEachVersion() {
        #expect(
            Self.documents.map { "\($0.group)/\($0.version)" } == [
                "/v1", "apps/v1", "batch/v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1",
                "rbac.authorization.k8s.io/v1", "authentication.k8s.io/v1", "authorization.k8s.io/v1",
                "metrics.k8s.io/v1beta1",
            ])
        #expect(Self.documents.allSatisfy { $0.document["openapi"] == "3.0.0" })
        #expect(OpenAPIv3.document(.builtin, group: "apps", version: "v2") == nil)
    }

    @Test func everyReferenceLeadsSomewhere() {
        for (group, _, document) in Self.documents {
            var found: Set<String> = []
            references(document, into: &found)
            let known = Set(schemas(document).names.map { "#/components/schemas/\($0)" })
            #expect(found.subtracting(known) == [], "\(group)")
        }
    }

    @Test func describesEverything() {
        for (_, _, document) in Self.documents {
            for (name, schema) in schemas(document) {
                #expect(!schema["description"].stringValue.isEmpty, "\(name)")
                for (property, value) in schema["properties"].object ?? JSONObject() {
                    #expect(!value["description"].stringValue.isEmpty, "\(name).\(property)")
                }
                // What is required is a property.
                for required in schema["required"].items {
                    #expect(schema["properties"].object?.contains(required.stringValue) == true, "\(name).\(required)")
                }
            }
        }
    }

    @Test func hasNoEmptyLists() {
        // OpenAPI forbids them.
        for (_, _, document) in Self.documents {
            let text = document.description
            #expect(!text.contains(#""enum":[]"#))
            #expect(!text.contains(#""required":[]"#))
            #expect(!text.contains(#""allOf":[]"#))
        }
    }

    @Test func operationsHaveNamesOfTheirOwn() {
        for (_, _, document) in Self.documents {
            var seen: Set<String> = []
            for (path, item) in document["paths"].object ?? JSONObject() {
                for (method, operation) in item.object ?? JSONObject() where method != "parameters" {
                    let id = operation["operationId"].stringValue
                    #expect(seen.insert(id).inserted, "\(id) of \(method) \(path)")
                    #expect(!operation["responses"].isNull, "\(id)")
                }
                // Every parameter in the path is described.
                let names = Set(item["parameters"].items.filter { $0["in"] == "path" }.map { $0["name"].stringValue })
                let wanted = Set(
                    path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) })
                #expect(names == wanted, "\(path)")
            }
        }
    }

    /// kubectl asks the server to validate fields where PATCH takes `fieldValidation`.
    @Test func everyKindSaysThatItValidatesFields() {
        for type in Scheme.builtin.resources {
            let document = Self.documents.first { $0.group == type.path.group }?.document ?? .null
            let path = type.path.path(namespace: type.path.isNamespaced ? "{namespace}" : nil, name: "{name}")
            let patch = document["paths"][path]["patch"]
            #expect(
                patch["parameters"].items.contains { $0["name"] == "fieldValidation" && $0["in"] == "query" }, "\(path)"
            )
            #expect(patch["x-kubernetes-group-version-kind"]["kind"].string == type.path.kind)
            #expect(patch["x-kubernetes-action"] == "patch")
            let schema = schemas(document)[ComponentWriter.name(type.schema.typeName)] ?? .null
            #expect(
                schema["x-kubernetes-group-version-kind"] == [
                    [
                        "group": .string(type.path.group), "version": .string(type.path.version),
                        "kind": .string(type.path.kind),
                    ]
                ])
        }
    }

    @Test func tellsHowListsMerge() {
        let spec = schemas(Self.core)["io.k8s.api.core.v1.PodSpec"]?["properties"] ?? .null
        #expect(spec["containers"]["x-kubernetes-list-type"] == "map")
        #expect(spec["containers"]["x-kubernetes-list-map-keys"] == ["name"])
        #expect(spec["containers"]["x-kubernetes-patch-merge-key"] == "name")
        #expect(spec["containers"]["x-kubernetes-patch-strategy"] == "merge")
        #expect(spec["volumes"]["x-kubernetes-patch-strategy"] == "merge,retainKeys")
        #expect(spec["tolerations"]["x-kubernetes-list-type"] == "atomic")
        #expect(spec["nodeSelector"]["x-kubernetes-map-type"] == "atomic")
        let container = schemas(Self.core)["io.k8s.api.core.v1.Container"]?["properties"] ?? .null
        #expect(container["ports"]["x-kubernetes-list-map-keys"] == ["containerPort", "protocol"])
        #expect(container["ports"]["x-kubernetes-patch-merge-key"] == "containerPort")
        let metadata = schemas(Self.core)["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]?["properties"] ?? .null
        #expect(metadata["finalizers"]["x-kubernetes-list-type"] == "set")
        #expect(metadata["finalizers"]["x-kubernetes-patch-strategy"] == "merge")
        // Types that are owned as a whole say so themselves.
        for name in ["ObjectReference", "LabelSelector", "OwnerReference", "SecretKeySelector", "NodeSelectorTerm"] {
            let full = schemas(Self.core).names.first { $0.hasSuffix(".\(name)") } ?? ""
            #expect(schemas(Self.core)[full]?["x-kubernetes-map-type"] == "atomic", "\(name)")
        }
    }

    @Test func tellsTypes() {
        let port = schemas(Self.core)["io.k8s.api.core.v1.ContainerPort"] ?? .null
        #expect(port["required"] == ["containerPort"])
        #expect(port["properties"]["containerPort"]["type"] == "integer")
        #expect(port["properties"]["containerPort"]["format"] == "int32")
        #expect(port["properties"]["protocol"]["enum"] == ["SCTP", "TCP", "UDP"])
        #expect(port["properties"]["protocol"]["default"] == "TCP")
        let secret = schemas(Self.core)["io.k8s.api.core.v1.Secret"]?["properties"] ?? .null
        #expect(secret["data"]["additionalProperties"]["format"] == "byte")
        let slice = Self.documents.first { $0.group == "discovery.k8s.io" }?.document ?? .null
        #expect(
            schemas(slice)["io.k8s.api.discovery.v1.EndpointSlice"]?["properties"]["addressType"]["enum"]
                == ["FQDN", "IPv4", "IPv6"])
    }

    @Test func tagsDocumentsByTheirContents() throws {
        let documents = OpenAPIDocuments(.builtin)
        let first = try #require(documents.document(group: "", version: "v1"))
        #expect(first.etag == documents.document(group: "", version: "v1")?.etag)
        #expect(first.etag == OpenAPIDocuments(.builtin).document(group: "", version: "v1")?.etag)
        #expect(first.etag != documents.document(group: "discovery.k8s.io", version: "v1")?.etag)
        #expect(first.etag.hasPrefix("\"") && first.etag.hasSuffix("\""))
        #expect(try JSON.parse(first.body) == Self.core)
        #expect(documents.document(group: "apps", version: "v2") == nil)
        let index = try JSON.parse(documents.index().body)["paths"]
        #expect(
            index.object?.names == [
                "api/v1", "apis/apps/v1", "apis/batch/v1", "apis/coordination.k8s.io/v1", "apis/discovery.k8s.io/v1",
                "apis/rbac.authorization.k8s.io/v1", "apis/authentication.k8s.io/v1", "apis/authorization.k8s.io/v1",
                "apis/metrics.k8s.io/v1beta1",
            ])
        let hash = first.etag.filter { $0 != "\"" }
        #expect(index["api/v1"]["serverRelativeURL"].string == "/openapi/v3/api/v1?hash=\(hash)")
    }
}
