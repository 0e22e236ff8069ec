import KubeAPI
import Transport

/// GET of `pods/NAME/log`: passes on what the kubelet of the pod's node sends, at the pace of the client, and ends there
/// when the client goes away.
enum PodLogHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let options = try PodLogOptions(exchange)
        let pod = try resource.get(namespace: exchange.info.namespace, name: exchange.info.name).tree
        let container = try container(options.container, pod)
        try checkStarted(container, pod)
        let nodeName = pod["spec"]["nodeName"].stringValue
        let node = KubeletClient.Node(name: nodeName, address: try address(of: nodeName, context))
        guard let kubelets = context.kubelets else {
            throw StatusError(code: 503, reason: "ServiceUnavailable", message: "this server does not reach kubelets")
        }
        let path = "/containerLogs/\(pod.namespace)/\(pod.name)/\(container)"
        Task {
            do {
                let answer = try await kubelets.open(node, path, query: options.query)
                try await pass(answer, to: exchange, resource)
            } catch let error as StatusError {
                exchange.fail(error)
            } catch {
                exchange.fail(.internalError("\(error)"))
            }
        }
    }

    // MARK: - Which logs

    static func container(_ asked: String, _ pod: JSON) throws(StatusError) -> String {
        func names(_ list: String) -> [String] { pod["spec"][list].items.map { $0["name"].stringValue } }
        let lists = ["containers", "initContainers", "ephemeralContainers"].map(names)
        if !asked.isEmpty {
            if lists.contains(where: { $0.contains(asked) }) { return asked }
            throw .badRequest("container \(asked) is not valid for pod \(pod.name)")
        }
        if lists[0].count == 1 { return lists[0][0] }
        var text = "a container name must be specified for pod \(pod.name)"
        if !lists[0].isEmpty { text += ", choose one of: [\(lists[0].joined(separator: " "))]" }
        if !lists[1].isEmpty { text += " or one of the init containers: [\(lists[1].joined(separator: " "))]" }
        if !lists[2].isEmpty { text += " or one of the ephemeral containers: [\(lists[2].joined(separator: " "))]" }
        throw .badRequest(text)
    }

    /// A container that has never run has no logs. Told here, from what the kubelet has reported, so that the answer is
    /// the same for a pod that no node has yet.
    private static func checkStarted(_ container: String, _ pod: JSON) throws(StatusError) {
        let status = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
            .flatMap { pod["status"][$0].items }.first { $0["name"].string == container }
        var reason = "ContainerCreating"
        if !pod["spec"]["nodeName"].stringValue.isEmpty {
            switch status {
            case let status? where status["state"]["waiting"].isObject:
                if status["lastState"]["terminated"].isObject { return }
                reason = status["state"]["waiting"]["reason"].string ?? reason
            case .some: return
            case nil: if ["Running", "Succeeded", "Failed"].contains(pod["status"]["phase"].stringValue) { return }
            }
        }
        let why =
            switch reason {
            case "ErrImagePull": "image can't be pulled"
            case "ImagePullBackOff": "trying and failing to pull image"
            default: reason
            }
        throw .badRequest("container \"\(container)\" in pod \"\(pod.name)\" is waiting to start: \(why)")
    }

    /// Where the node's kubelet listens: as the node itself has reported.
    static func address(of node: String, _ context: ServerContext) throws(StatusError) -> KubeletClient.Address {
        guard let nodes = context.registry.find("", "v1", "nodes") else { throw .unknownPath }
        let object = try nodes.get(namespace: "", name: node).tree
        let addresses = object["status"]["addresses"].items
        guard let host = addresses.first(where: { $0["type"].string == "InternalIP" })?["address"].string else {
            let known = addresses.map { "\($0["type"].stringValue):\($0["address"].stringValue)" }
            throw .internalError(
                "no preferred addresses found; known addresses: [\(known.joined(separator: " "))]")
        }
        let port = object["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].int ?? 0
        return KubeletClient.Address(host: host, port: port > 0 ? port : KubeletClient.defaultPort)
    }

    // MARK: - Passing on

    private static func pass(
        _ answer: HTTPClientStream, to exchange: Exchange, _ resource: ServedResource
    ) async throws {
        guard answer.status == 200 else { throw await error(answer, exchange, resource) }
        await exchange.pass(answer, contentType: answer.header("content-type") ?? "text/plain")
    }

    /// Bytes of a refusal that are passed on.
    private static let maxRefusalBytes = 2048

    private static func error(
        _ answer: HTTPClientStream, _ exchange: Exchange, _ resource: ServedResource
    ) async -> StatusError {
        var body: [UInt8] = []
        do {
            for try await chunk in answer.body where body.count < maxRefusalBytes { body += chunk }
        } catch {
            // What there is of the text has to do.
        }
        let text = String(decoding: body.prefix(maxRefusalBytes), as: UTF8.self)
        switch answer.status {
        case 400: return .badRequest(text)
        case 404:
            return StatusError(
                code: 404, reason: "NotFound", message: "the server could not find the requested resource",
                details: [
                    "kind": .string(resource.resource), "name": .string(exchange.info.name),
                    "causes": [["message": .string(text)]],
                ])
        default: return .internalError(text)
        }
    }
}

/// The options of a log request, by their names in the query.
struct PodLogOptions: Sendable {
    let container: String
    /// What the kubelet is to know.
    let query: [(name: String, value: String)]

    init(_ exchange: Exchange) throws(StatusError) {
        let request = exchange.request
        container = request.parameter("container") ?? ""
        var query: [(name: String, value: String)] = []
        var problems: [FieldError] = []
        for name in ["follow", "previous", "timestamps"] where request.flag(name) { query.append((name, "true")) }
        for (name, least) in [("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)] {
            guard let value = try request.integer(name) else { continue }
            if value < least {
                problems.append(
                    .invalid(
                        name, .int(Int64(value)),
                        least == 0 ? "must be greater than or equal to 0" : "must be greater than 0"))
            }
            query.append((name, String(value)))
        }
        if let text = request.parameter("sinceTime") {
            guard let time = Timestamp(rfc3339: text) else {
                throw .badRequest(
                    "parsing time \(GoText.quoted(text)) as \"2006-01-02T15:04:05Z07:00\": cannot parse "
                        + "\(GoText.quoted(text)) as \"2006\"")
            }
            if request.parameter("sinceSeconds") != nil {
                problems.append(
                    .forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
            }
            query.append(("sinceTime", time.rfc3339))
        }
        if !problems.isEmpty { throw .invalid(kind: "PodLogOptions", name: exchange.info.name, problems) }
        self.query = query
    }
}
