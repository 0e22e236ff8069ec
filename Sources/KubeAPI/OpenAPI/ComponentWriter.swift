/// Collects the component schemas that a document refers to.
struct ComponentWriter {
    private var queue: [Schema] = []
    private var seen: Set<String> = []
    private var finished: [(name: String, schema: JSON)] = []
    /// Types that are kinds, with how they are called on the wire.
    private var kinds: [String: JSON] = [:]

    init(_ types: [ResourceType]) {
        for type in types { kinds[type.schema.typeName] = Self.kind(type.path) }
        for name in ["DeleteOptions", "Status"] {
            kinds["meta/v1.\(name)"] = ["group": "", "version": "v1", "kind": .string(name)]
        }
    }

    /// Adds a type that is a kind without being a resource (Scale).
    mutating func add(_ schema: Schema?, kind: JSON) {
        guard let schema else { return }
        if kinds[schema.typeName] == nil { kinds[schema.typeName] = kind }
        add(schema)
    }

    /// `core/v1.Pod` → `io.k8s.api.core.v1.Pod`
    static func name(_ typeName: String) -> String {
        let parts = typeName.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return "io.k8s.apimachinery.pkg.runtime.\(typeName)" }
        switch parts[0] {
        case "meta": return "io.k8s.apimachinery.pkg.apis.meta.\(parts[1])"
        case "apiextensions": return "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.\(parts[1])"
        case "metrics": return "io.k8s.metrics.pkg.apis.metrics.\(parts[1])"
        default: return "io.k8s.api.\(parts[0]).\(parts[1])"
        }
    }

    static func reference(_ componentName: String) -> JSON {
        ["$ref": .string("#/components/schemas/\(componentName)")]
    }

    mutating func add(_ schema: Schema?) {
        if let schema, seen.insert(schema.typeName).inserted { queue.append(schema) }
    }

    mutating func addList(of type: ResourceType) {
        let name = Self.name(type.schema.typeName)
        add(SchemaTable.shared["meta/v1.ListMeta"])
        finished.append(
            (
                name + "List",
                [
                    "type": "object", "description": .string("A list of \(type.path.kind) objects."),
                    "required": ["items"],
                    "properties": [
                        "apiVersion": [
                            "type": "string", "description": .string(Descriptions.field("List", "apiVersion")),
                        ],
                        "items": [
                            "type": "array", "description": "The objects.",
                            "items": ["allOf": [Self.reference(name)], "default": .emptyObject],
                        ],
                        "kind": ["type": "string", "description": .string(Descriptions.field("List", "kind"))],
                        "metadata": [
                            "allOf": [Self.reference(Self.name("meta/v1.ListMeta"))], "default": .emptyObject,
                            "description": "The version of the list, and how to go on with it.",
                        ],
                    ],
                    "x-kubernetes-group-version-kind": [Self.kind(type.path, suffix: "List")],
                ]
            ))
    }

    static func kind(_ path: ResourcePath, suffix: String = "") -> JSON {
        ["group": .string(path.group), "version": .string(path.version), "kind": .string(path.kind + suffix)]
    }

    /// All collected schemas by name.
    mutating func finish() -> JSONObject {
        while let schema = queue.popLast() { finished.append((Self.name(schema.typeName), component(schema))) }
        finished += WellKnownComponent.allCases.map { ($0.rawValue, $0.schema) }
        var schemas = JSONObject()
        for (name, schema) in finished.sorted(by: { $0.name < $1.name }) { schemas[name] = schema }
        return schemas
    }

    private mutating func component(_ schema: Schema) -> JSON {
        var properties = JSONObject()
        for field in schema.fields.sorted(by: { $0.name < $1.name }) {
            add(field.schema)
            properties[field.name] = property(field, in: schema)
        }
        var body: JSON = [
            "type": "object", "description": .string(Descriptions.type(schema.goName)),
            "properties": .object(properties),
        ]
        let required = schema.fields.filter(\.isRequired).map(\.name)
        if !required.isEmpty { body["required"] = JSON(required) }
        if schema.isAtomic { body["x-kubernetes-map-type"] = "atomic" }
        if let kind = kinds[schema.typeName] { body["x-kubernetes-group-version-kind"] = [kind] }
        return body
    }

    private func property(_ field: Schema.Field, in schema: Schema) -> JSON {
        var value: JSON
        switch field.shape {
        case .single:
            value = form(field.form)
            if field.schema != nil, !field.isPointer { value["default"] = .emptyObject }
        case .list: value = ["type": "array", "items": element(field)]
        case .map: value = ["type": "object", "additionalProperties": element(field)]
        case .mapOfLists:
            value = ["type": "object", "additionalProperties": ["type": "array", "items": element(field)]]
        }
        value["description"] = .string(Descriptions.field(schema.goName, field.name))
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

    /// An element of a list or map: what is missing is its zero value.
    private func element(_ field: Schema.Field) -> JSON {
        var value = form(field.form)
        switch field.form {
        case .object: value["default"] = .emptyObject
        case .string, .enumeration: value["default"] = ""
        default: break
        }
        return value
    }

    private func form(_ form: Schema.Form) -> JSON {
        switch form {
        case .string: ["type": "string"]
        case .bool: ["type": "boolean"]
        case .int32: ["type": "integer", "format": "int32"]
        case .int64: ["type": "integer", "format": "int64"]
        case .float64: ["type": "number", "format": "double"]
        case .bytes: ["type": "string", "format": "byte"]
        case .time: ["allOf": [Self.reference(WellKnownComponent.time.rawValue)]]
        case .microTime: ["allOf": [Self.reference(WellKnownComponent.microTime.rawValue)]]
        case .duration: ["type": "string"]
        case .quantity: ["allOf": [Self.reference(WellKnownComponent.quantity.rawValue)]]
        case .intOrString: ["allOf": [Self.reference(WellKnownComponent.intOrString.rawValue)]]
        case .raw: ["type": "object"]
        case .enumeration(_, let values, let isClosed): ["type": "string", "enum": isClosed ? JSON(values) : .null]
        case .object(let schema): ["allOf": [Self.reference(Self.name(schema.typeName))]]
        }
    }
}

/// Types whose JSON is not an object of fields.
private enum WellKnownComponent: String, CaseIterable {
    case quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity"
    case time = "io.k8s.apimachinery.pkg.apis.meta.v1.Time"
    case microTime = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"
    case intOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"

    var schema: JSON {
        switch self {
        case .quantity:
            [
                "description": "An amount, exact: a number with an optional suffix (m, k, M, G, Ki, Mi, Gi, ...).",
                "oneOf": [["type": "string"], ["type": "number"]],
            ]
        case .time: ["description": "A time, in seconds (RFC 3339).", "type": "string", "format": "date-time"]
        case .microTime:
            ["description": "A time, in microseconds (RFC 3339).", "type": "string", "format": "date-time"]
        case .intOrString:
            [
                "description": "A number or a text.", "format": "int-or-string",
                "oneOf": [["type": "integer"], ["type": "string"]],
            ]
        }
    }
}
