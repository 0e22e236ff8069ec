/// The paths of one resource, with the operations that it has.
struct OpenAPIPaths {
    private let type: ResourceType

    init(_ type: ResourceType) { self.type = type }

    /// How the operations of a path are made: by verb, the method and what `x-kubernetes-action` calls it.
    private static let methods: [(verb: String, method: String, action: String)] = [
        ("list", "get", "list"), ("get", "get", "get"), ("update", "put", "put"), ("create", "post", "post"),
        ("patch", "patch", "patch"), ("delete", "delete", "delete"), ("deletecollection", "delete", "deletecollection"),
    ]

    /// What an operation is about: its kind is that of the resource or of a subresource.
    private struct Subject {
        let group: String
        let version: String
        let kind: String
        let schemaName: String
    }

    func write(into paths: inout JSONObject) {
        let path = type.path
        let own = Subject(
            group: path.group, version: path.version, kind: path.kind,
            schemaName: ComponentWriter.name(type.schema.typeName))
        let collection = path.path(namespace: path.isNamespaced ? "{namespace}" : nil)
        let scope = path.isNamespaced ? ["namespace"] : []
        if path.isNamespaced, type.verbs.contains("list") {
            paths[path.path()] = item(own, ["list"], in: [], suffix: "ForAllNamespaces")
        }
        paths[collection] = item(
            own, type.verbs.filter { ["list", "create", "deletecollection"].contains($0) }, in: scope)
        let single = type.verbs.filter { ["get", "update", "patch", "delete"].contains($0) }
        guard !single.isEmpty else { return }
        paths[collection + "/{name}"] = item(own, single, in: ["name"] + scope)
        for sub in type.subresources {
            let package = (sub.group ?? path.group).split(separator: ".").first.map(String.init) ?? "core"
            let isOwn = sub.kind == path.kind && sub.group == nil
            let subject = Subject(
                group: sub.group ?? path.group, version: sub.version ?? path.version, kind: sub.kind,
                schemaName: isOwn
                    ? own.schemaName : ComponentWriter.name("\(package)/\(sub.version ?? path.version).\(sub.kind)"))
            paths[collection + "/{name}/\(sub.name)"] =
                switch sub.name {
                case "log": log(subject, in: ["name"] + scope)
                case "exec", "attach", "portforward", "proxy": connect(subject, sub.name, in: ["name"] + scope)
                default: item(subject, sub.verbs, in: ["name"] + scope, suffix: Self.camel(sub.name))
                }
        }
    }

    private static func camel(_ name: String) -> String { name.prefix(1).uppercased() + name.dropFirst() }

    private func item(_ subject: Subject, _ verbs: [String], in parameters: [String], suffix: String = "") -> JSON {
        var item = JSONObject()
        for (verb, method, action) in Self.methods where verbs.contains(verb) {
            item[method] = operation(subject, verb, action, suffix)
        }
        item["parameters"] = .array(
            parameters.map { parameter($0, in: "path", type: "string") } + [
                parameter("pretty", in: "query", type: "string")
            ])
        return .object(item)
    }

    private func parameter(_ name: String, in place: String, type: String) -> JSON {
        var parameter: JSON = [
            "name": .string(name), "in": .string(place), "schema": ["type": .string(type), "uniqueItems": true],
            "description": .string(Descriptions.parameter(name)),
        ]
        if place == "path" { parameter["required"] = true }
        return parameter
    }

    /// Query parameters by verb, with their types.
    private static func query(_ verb: String) -> [(String, String)] {
        let writing = [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")]
        let choosing = [
            ("allowWatchBookmarks", "boolean"), ("continue", "string"), ("fieldSelector", "string"),
            ("labelSelector", "string"), ("limit", "integer"), ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"), ("sendInitialEvents", "boolean"), ("timeoutSeconds", "integer"),
            ("watch", "boolean"),
        ]
        let deleting = [
            ("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("orphanDependents", "boolean"),
            ("propagationPolicy", "string"),
        ]
        switch verb {
        case "create", "update": return writing
        case "patch": return writing + [("force", "boolean")]
        case "delete": return deleting
        case "deletecollection": return choosing.filter { !["allowWatchBookmarks", "watch"].contains($0.0) } + deleting
        case "list": return choosing
        default: return []
        }
    }

    private func operation(_ subject: Subject, _ verb: String, _ action: String, _ suffix: String) -> JSON {
        let whole = ComponentWriter.reference(subject.schemaName)
        let answer: JSON
        switch verb {
        case "list": answer = ComponentWriter.reference(subject.schemaName + "List")
        case "delete", "deletecollection": answer = ComponentWriter.reference(ComponentWriter.name("meta/v1.Status"))
        default: answer = whole
        }
        let content: JSON = ["application/json": ["schema": answer]]
        var responses: JSON = ["200": ["description": "OK", "content": content]]
        if ["create", "update", "patch"].contains(verb) {
            responses["201"] = ["description": "Created", "content": content]
        }
        if verb == "create" || verb == "delete" { responses["202"] = ["description": "Accepted", "content": content] }
        responses["401"] = ["description": "Unauthorized"]
        var operation: JSON = [
            "operationId": .string(
                "\(verb)\(Self.camel(type.path.group.split(separator: ".").first.map(String.init) ?? "core"))\(Self.camel(type.path.version))\(type.path.isNamespaced && suffix != "ForAllNamespaces" ? "Namespaced" : "")\(type.path.kind)\(suffix)"
            ),
            "tags": [
                .string(
                    type.path.group.isEmpty ? "core_\(type.path.version)" : "\(type.path.group)_\(type.path.version)")
            ],
            "parameters": .array(Self.query(verb).map { parameter($0.0, in: "query", type: $0.1) }),
            "responses": responses,
            "x-kubernetes-action": .string(action),
            "x-kubernetes-group-version-kind": [
                "group": .string(subject.group), "version": .string(subject.version), "kind": .string(subject.kind),
            ],
        ]
        switch verb {
        case "create", "update":
            operation["requestBody"] = ["content": ["*/*": ["schema": whole]], "required": true]
        case "patch":
            let schema: JSON = ["schema": ["type": "object"]]
            operation["requestBody"] = [
                "content": [
                    "application/json-patch+json": schema, "application/merge-patch+json": schema,
                    "application/strategic-merge-patch+json": schema,
                ], "required": true,
            ]
        case "delete", "deletecollection":
            operation["requestBody"] = [
                "content": ["*/*": ["schema": ComponentWriter.reference(ComponentWriter.name("meta/v1.DeleteOptions"))]]
            ]
        default: break
        }
        return operation
    }

    /// Logs are text, and have parameters of their own.
    private func log(_ subject: Subject, in parameters: [String]) -> JSON {
        var item = item(subject, ["get"], in: parameters, suffix: "Log")
        item["get"]["parameters"] = .array(
            [
                ("container", "string"), ("follow", "boolean"), ("limitBytes", "integer"), ("previous", "boolean"),
                ("sinceSeconds", "integer"), ("sinceTime", "string"), ("tailLines", "integer"),
                ("timestamps", "boolean"),
            ].map { parameter($0.0, in: "query", type: $0.1) })
        item["get"]["responses"]["200"] = [
            "description": "OK", "content": ["text/plain": ["schema": ["type": "string"]]],
        ]
        return item
    }

    /// What changes its protocol: options in the query, no document either way.
    private func connect(_ subject: Subject, _ name: String, in parameters: [String]) -> JSON {
        // What is passed on to a node is only read.
        let isProxy = name == "proxy"
        var item = item(subject, isProxy ? ["get"] : ["get", "create"], in: parameters, suffix: Self.camel(name))
        let owner = type.path.isNamespaced ? "Namespaced\(type.path.kind)" : type.path.kind
        for method in isProxy ? ["get"] : ["get", "post"] {
            item[method]["operationId"] = .string(
                "connect\(Self.camel(method))Core\(Self.camel(type.path.version))\(owner)\(Self.camel(name))")
            item[method]["x-kubernetes-action"] = "connect"
            item[method]["parameters"] =
                name == "portforward" || isProxy
                ? .array([])
                : .array([
                    parameter("container", in: "query", type: "string")
                ])
            item[method]["requestBody"] = .null
            item[method]["responses"] = [
                "200": ["description": "OK", "content": ["*/*": ["schema": ["type": "string"]]]],
                "401": ["description": "Unauthorized"],
            ]
        }
        return item
    }
}
