/// Collects the component schemas that a document refers to.
struct ComponentWriter {
    private var queue: [String] = []
    private var seen: Set<String> = []
    private var lists: [(name: String, schema: JSON)] = []

    mutating func add(_ typeName: String) {
        if seen.insert(typeName).inserted { queue.append(typeName) }
    }

    mutating func addList(of type: ResourceType) {
        let item: JSON = ["$ref": .string("#/components/schemas/\(Self.name(type.schema.typeName))")]
        lists.append((
            Self.name(type.schema.typeName) + "List",
            [
                "type": "object", "description": .string("A list of \(type.path.kind) objects."), "required": ["items"],
                "properties": [
                    "apiVersion": ["type": "string"], "kind": ["type": "string"],
                    "metadata": ["allOf": [["$ref": .string("#/components/schemas/\(Self.name("meta/v1.ListMeta"))")]]],
                    "items": ["type": "array", "items": ["allOf": [item], "default": .emptyObject]],
                ],
                "x-kubernetes-group-version-kind": [
                    [
                        "group": .string(type.path.group), "version": .string(type.path.version),
                        "kind": .string(type.path.kind + "List"),
                    ]
                ],
            ]
        ))
        add("meta/v1.ListMeta")
    }

    /// `core/v1.Pod` → `io.k8s.api.core.v1.Pod`
    static func name(_ typeName: String) -> String {
        let parts = typeName.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return "io.k8s.apimachinery.pkg.runtime.\(typeName)" }
        return parts[0] == "meta"
            ? "io.k8s.apimachinery.pkg.apis.meta.\(parts[1])" : "io.k8s.api.\(parts[0]).\(parts[1])"
    }

    /// All collected schemas by name.
    mutating func finish(kinds: [ResourceType]) -> JSONObject {
        let gvk = Dictionary(
            kinds.map { ($0.schema.typeName, $0.path) }, uniquingKeysWith: { first, _ in first })
        var result: [(String, JSON)] = []
        while let typeName = queue.popLast() {
            guard let schema = SchemaTable.shared[typeName] else { continue }
            var properties = JSONObject()
            for field in schema.fields {
                if case .object(let inner) = field.form { add(inner) }
                properties[field.name] = property(field, in: schema)
            }
            var body: JSON = ["type": "object", "properties": .object(properties)]
            body["description"] = .string(Descriptions.type(schema.typeName))
            let required = schema.fields.filter(\.isRequired).map(\.name)
            if !required.isEmpty { body["required"] = JSON(required) }
            if let path = gvk[typeName] {
                body["x-kubernetes-group-version-kind"] = [
                    ["group": .string(path.group), "version": .string(path.version), "kind": .string(path.kind)]
                ]
            }
            result.append((Self.name(typeName), body))
        }
        var schemas = JSONObject()
        for (name, schema) in (result + lists).sorted(by: { $0.0 < $1.0 }) { schemas[name] = schema }
        return schemas
    }

    private func property(_ field: Schema.Field, in schema: Schema) -> JSON {
        var value: JSON
        switch field.shape {
        case .single: value = form(field.form)
        case .list: value = ["type": "array", "items": form(field.form)]
        case .map: value = ["type": "object", "additionalProperties": form(field.form)]
        case .mapOfLists:
            value = ["type": "object", "additionalProperties": ["type": "array", "items": form(field.form)]]
        }
        value["description"] = .string(Descriptions.field(schema.typeName, field.name))
        if !field.defaultValue.isNull { value["default"] = field.defaultValue }
        if field.shape == .list {
            switch field.listType {
            case .atomic: value["x-kubernetes-list-type"] = "atomic"
            case .set: value["x-kubernetes-list-type"] = "set"
            case .map(let keys):
                value["x-kubernetes-list-type"] = "map"
                value["x-kubernetes-list-map-keys"] = JSON(keys)
            }
        }
        if field.isAtomic { value["x-kubernetes-map-type"] = "atomic" }
        var strategies: [String] = []
        if field.patchStrategy.contains(.merge) { strategies.append("merge") }
        if field.patchStrategy.contains(.replace) { strategies.append("replace") }
        if field.patchStrategy.contains(.retainKeys) { strategies.append("retainKeys") }
        if !strategies.isEmpty { value["x-kubernetes-patch-strategy"] = .string(strategies.joined(separator: ",")) }
        if let key = field.mergeKey { value["x-kubernetes-patch-merge-key"] = .string(key) }
        return value
    }

    private func form(_ form: Schema.Form) -> JSON {
        switch form {
        case .string, .quantity, .duration: ["type": "string"]
        case .bool: ["type": "boolean"]
        case .int32: ["type": "integer", "format": "int32"]
        case .int64: ["type": "integer", "format": "int64"]
        case .float64: ["type": "number", "format": "double"]
        case .bytes: ["type": "string", "format": "byte"]
        case .time, .microTime: ["type": "string", "format": "date-time"]
        case .intOrString: ["type": "string", "format": "int-or-string"]
        case .raw: ["type": "object"]
        case .enumeration(let values, let isClosed): ["type": "string", "enum": isClosed ? JSON(values) : .null]
        case .object(let name):
            ["allOf": [["$ref": .string("#/components/schemas/\(Self.name(name))")]]]
        }
    }
}
