import KubeAPI

/// GET of metrics.k8s.io: what nodes and pods use, as metrics-server says it. `kubectl top` reads this.
enum MetricsHandler {
    static func handle(_ exchange: Exchange, _ type: ResourceType, _ context: ServerContext) throws(StatusError) {
        guard type.verbs.contains(exchange.info.verb) else { throw .methodNotAllowed() }
        let representation = try Representation.negotiate(exchange.request)
        guard let collector = context.usage else {
            throw StatusError(
                code: 503, reason: "ServiceUnavailable",
                message: "the server is currently unable to handle the request")
        }
        let objects = try subjects(exchange, type, context)
        let nodes = try nodes(of: objects, type, context)
        Task {
            let usage = await collector.usage(of: nodes)
            if type.path == .nodeMetrics, exchange.info.name.isEmpty {
                await collector.keep(only: Set(objects.map { String($0.name) }))
            }
            let items = objects.compactMap { metrics(of: $0.tree, type, usage) }
            send(items, exchange, type, representation)
        }
    }

    /// The nodes or pods that are asked for.
    private static func subjects(
        _ exchange: Exchange, _ type: ResourceType, _ context: ServerContext
    ) throws(StatusError) -> [StoredObject] {
        guard let resource = context.registry.find("", "v1", type.path.resource) else { throw .unknownPath }
        let info = exchange.info
        guard info.name.isEmpty else { return [try resource.get(namespace: info.namespace, name: info.name)] }
        let filter = try resource.filter(exchange.request, info)
        var objects: [StoredObject] = []
        resource.cache.snapshot().objects.forEach(prefix: filter.keyPrefix, after: nil) { object in
            if filter.matchesSelectors(object) { objects.append(object) }
            return true
        }
        return objects
    }

    /// Those that know about the objects. A node that has no address yet knows nothing.
    private static func nodes(
        of objects: [StoredObject], _ type: ResourceType, _ context: ServerContext
    ) throws(StatusError) -> [KubeletClient.Node] {
        var names: Set<String> = []
        for object in objects {
            let name = type.path == .nodeMetrics ? String(object.name) : object.tree["spec"]["nodeName"].stringValue
            if !name.isEmpty { names.insert(name) }
        }
        return names.sorted().compactMap { name in
            (try? PodLogHandler.address(of: name, context)).map { KubeletClient.Node(name: name, address: $0) }
        }
    }

    private static func metrics(of object: JSON, _ type: ResourceType, _ usage: [String: UsageHistory]) -> JSON? {
        let isNode = type.path == .nodeMetrics
        guard let history = usage[isNode ? object.name : object["spec"]["nodeName"].stringValue] else { return nil }
        var metadata: JSON = ["name": .string(object.name)]
        if !isNode { metadata["namespace"] = .string(object.namespace) }
        metadata["creationTimestamp"] = .string(Timestamp.now().rfc3339)
        metadata["labels"] = object["metadata"]["labels"]
        var item: JSON = ["metadata": metadata]
        if isNode {
            guard let usage = history.node else { return nil }
            item["timestamp"] = .string(usage.at.rfc3339)
            item["window"] = .string(usage.window.goDescription)
            item["usage"] = amounts(usage)
            return item
        }
        guard object["status"]["phase"] == "Running",
            let containers = history.pods["\(object.namespace)/\(object.name)"],
            let last = containers.max(by: { $0.usage.at < $1.usage.at })?.usage
        else { return nil }
        item["timestamp"] = .string(last.at.rfc3339)
        item["window"] = .string(last.window.goDescription)
        item["containers"] = .array(
            containers.map { ["name": .string($0.container), "usage": amounts($0.usage)] })
        return item
    }

    private static func amounts(_ usage: UsageHistory.Usage) -> JSON {
        let cpu = Quantity("\(usage.cpuNanoCores)n") ?? .zero
        return [
            "cpu": .string(cpu.description),
            "memory": .string(Quantity(usage.memoryBytes, format: .binarySI).description),
        ]
    }

    private static func send(
        _ items: [JSON], _ exchange: Exchange, _ type: ResourceType, _ representation: Representation
    ) {
        func whole(_ item: JSON) -> JSON {
            var object: JSON = ["kind": .string(type.path.kind), "apiVersion": .string(type.path.apiVersion)]
            for (key, value) in item.object ?? JSONObject() { object[key] = value }
            return object
        }
        let info = exchange.info
        if !info.name.isEmpty, items.isEmpty {
            return exchange.fail(
                .notFound(
                    type.path.kind.lowercased(), group: type.path.group,
                    name: type.path.isNamespaced ? "\(info.namespace)/\(info.name)" : info.name))
        }
        switch representation {
        case .table(let include):
            exchange.send(
                TablePrinter.table(
                    type: type, objects: items.map(whole), metadata: .emptyObject,
                    include: TablePrinter.IncludedObject(include)))
        case .partialMetadata where info.name.isEmpty:
            exchange.send([
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": .emptyObject,
                "items": .array(items.map(TablePrinter.partialMetadata)),
            ])
        case .partialMetadata: exchange.send(TablePrinter.partialMetadata(items[0]))
        case .object where info.name.isEmpty:
            exchange.send([
                "kind": .string(type.path.kind + "List"), "apiVersion": .string(type.path.apiVersion),
                "metadata": .emptyObject, "items": .array(items),
            ])
        case .object: exchange.send(whole(items[0]))
        }
    }
}
