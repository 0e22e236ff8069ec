import KubeAPI

/// POST to `pods/NAME/binding` or `bindings`: gives a pod its node, once.
enum BindingHandler {
    static func handle(_ exchange: Exchange, _ context: ServerContext) throws(StatusError) {
        guard let pods = context.registry.find("", "v1", "pods") else { throw .unknownPath }
        let options = try WriteOptions(exchange)
        let binding = try body(exchange, context, options)
        let name = binding.name
        let node = binding["target"]["name"].stringValue
        let uid = binding.uid
        try NamespaceGuard.check(exchange.info.namespace, for: pods, name: name, context.registry)
        try ObjectUpdate(
            exchange, pods, context, name: name, subresource: "binding", isDryRun: options.isDryRun,
            ownership: .untracked,
            change: { (current) throws(StatusError) in
                if !uid.isEmpty, uid != current.uid {
                    throw .conflict(
                        "pods/binding", name: name,
                        "Precondition failed: UID in precondition: \(uid), UID in object meta: \(current.uid)")
                }
                if let refusal = refusal(current) { throw .conflict("pods/binding", name: name, refusal) }
                return bind(current, binding, to: node)
            },
            answer: { _ in exchange.send(.success(code: 201), status: 201) }
        ).run()
    }

    private static func body(
        _ exchange: Exchange, _ context: ServerContext, _ options: WriteOptions
    ) throws(StatusError) -> JSON {
        let scheme = context.registry.scheme
        guard let schema = scheme.schema(apiVersion: "v1", kind: "Binding") else { throw .unknownPath }
        let decoder = BodyDecoder(kind: "Binding", group: "", version: "v1", schema: schema, scheme: scheme)
        let decoded = try decoder.decode(exchange.request)
        _ = try decoder.judge(decoded, options.validation)
        var binding = decoded.object
        try NamespaceGuard.place(&binding, exchange.info.namespace, isNamespaced: true)
        if !exchange.info.name.isEmpty {
            guard binding.name == exchange.info.name || binding.name.isEmpty else {
                throw .badRequest("name in URL does not match name in Binding object")
            }
            binding["metadata"]["name"] = .string(exchange.info.name)
        }
        var problems: [FieldError] = []
        let kind = binding["target"]["kind"].stringValue
        if !kind.isEmpty && kind != "Node" {
            problems.append(.notSupported("target.kind", .string(kind), ["Node", "<empty>"]))
        }
        if binding["target"]["name"].stringValue.isEmpty { problems.append(.required("target.name")) }
        if !problems.isEmpty { throw .invalid(kind: "Binding", name: binding.name, problems) }
        return binding
    }

    private static func refusal(_ pod: JSON) -> String? {
        if pod.isDeleting { return "pod \(pod.name) is being deleted, cannot be assigned to a host" }
        let node = pod["spec"]["nodeName"].stringValue
        if !node.isEmpty { return "pod \(pod.name) is already assigned to node \(GoText.quoted(node))" }
        if !pod["spec"]["schedulingGates"].items.isEmpty {
            return "pod \(pod.name) has non-empty .spec.schedulingGates"
        }
        return nil
    }

    private static func bind(_ pod: JSON, _ binding: JSON, to node: String) -> JSON {
        var pod = pod
        pod["spec"]["nodeName"] = .string(node)
        for field in ["annotations", "labels"] {
            for (key, value) in binding["metadata"][field].object ?? JSONObject() {
                pod["metadata"][field][key] = value
            }
        }
        let condition: JSON = [
            "type": "PodScheduled", "status": "True", "lastTransitionTime": .string(Timestamp.now().rfc3339),
        ]
        var conditions = pod["status"]["conditions"].items
        conditions.removeAll { $0["type"].string == "PodScheduled" }
        conditions.append(condition)
        pod["status"]["conditions"] = .array(conditions)
        return pod
    }
}
