import KubeAPI

/// One version of the API as an API declaration of Swagger 1.2, made from its OpenAPI document.
enum SwaggerDeclaration {
    static func make(_ scheme: Scheme, group: String, version: String) -> JSON {
        let document = OpenAPIv3.document(scheme, group: group, version: version) ?? .emptyObject
        var models = JSON.emptyObject
        for (name, schema) in document["components"]["schemas"].object ?? JSONObject() {
            models[modelName(name)] = model(modelName(name), schema)
        }
        var apis: [JSON] = []
        for (path, item) in document["paths"].object ?? JSONObject() {
            let operations = ["get", "put", "post", "patch", "delete"].compactMap { method in
                item[method].isObject ? operation(method, item[method]) : nil
            }
            if !operations.isEmpty { apis.append(["path": .string(path), "operations": .array(operations)]) }
        }
        return [
            "swaggerVersion": "1.2", "apiVersion": .string(group.isEmpty ? version : "\(group)/\(version)"),
            "basePath": "", "resourcePath": .string("/" + OpenAPIv3.path(group: group, version: version)),
            "apis": .array(apis), "models": models,
        ]
    }

    /// `io.k8s.api.core.v1.Pod` as `v1.Pod`.
    private static func modelName(_ name: String) -> String {
        let parts = name.split(separator: ".")
        return parts.suffix(2).joined(separator: ".")
    }

    private static func reference(_ schema: JSON) -> String? {
        let target = schema["$ref"].string ?? schema["allOf"].items.lazy.compactMap { $0["$ref"].string }.first
        return target.map { modelName(String($0.split(separator: "/").last ?? "")) }
    }

    private static func model(_ name: String, _ schema: JSON) -> JSON {
        var properties = JSON.emptyObject
        for (field, value) in schema["properties"].object ?? JSONObject() { properties[field] = property(value) }
        var model: JSON = ["id": .string(name), "properties": properties]
        model["description"] = schema["description"]
        if !schema["required"].items.isEmpty { model["required"] = schema["required"] }
        return model
    }

    private static func property(_ schema: JSON) -> JSON {
        var property = JSON.emptyObject
        if let reference = reference(schema) {
            property["$ref"] = .string(reference)
        } else {
            // A map's values, and what may be a number or a text, have no form there.
            property["type"] = schema["type"].string.map { .string($0 == "object" ? "any" : $0) } ?? "any"
            property["format"] = schema["format"]
            if schema["items"].isObject {
                property["items"] =
                    reference(schema["items"]).map { ["$ref": .string($0)] }
                    ?? ["type": schema["items"]["type"].isNull ? "any" : schema["items"]["type"]]
            }
        }
        property["description"] = schema["description"]
        return property
    }

    private static func operation(_ method: String, _ operation: JSON) -> JSON {
        var result: JSON = [
            "method": .string(method.uppercased()), "nickname": operation["operationId"],
            "summary": operation["description"], "type": "string", "parameters": [],
        ]
        let answers = operation["responses"]["200"]["content"]["application/json"]["schema"]
        if let reference = reference(answers) { result["type"] = .string(reference) }
        return result
    }
}
