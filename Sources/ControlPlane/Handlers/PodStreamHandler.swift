import KubeAPI
import Transport

/// `pods/NAME/exec`, `attach` and `portforward`: finds the pod's node and gives it the client's connection. What is said
/// on it is between the two; this server has said who may.
enum PodStreamHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let pod = try resource.get(namespace: exchange.info.namespace, name: exchange.info.name).tree
        let (path, query) = try target(exchange, pod)
        let node = pod["spec"]["nodeName"].stringValue
        guard !node.isEmpty else { throw .badRequest("pod \(pod.name) does not have a host assigned") }
        guard let request = exchange.request.upgrade else { throw .badRequest("Upgrade request required") }
        guard let kubelets = context.kubelets else {
            throw StatusError(code: 503, reason: "ServiceUnavailable", message: "this server does not reach kubelets")
        }
        let address = try PodLogHandler.address(of: node, context)
        kubelets.handOver(
            request, to: KubeletClient.Node(name: node, address: address), path, query: query, exchange.handOver())
    }

    /// What the kubelet is asked for: its own path and names for the options.
    private static func target(
        _ exchange: Exchange, _ pod: JSON
    ) throws(StatusError) -> (path: String, query: [(name: String, value: String)]) {
        let request = exchange.request
        let place = "\(pod.namespace)/\(pod.name)"
        if exchange.info.subresource == "portforward" {
            return ("/portForward/\(place)", request.query.filter { $0.name == "ports" }.map { ("port", $0.value) })
        }
        let container = try PodLogHandler.container(request.parameter("container") ?? "", pod)
        let options = RemoteCommandOptions(
            stdin: request.flag("stdin"), stdout: request.flag("stdout"), stderr: request.flag("stderr"),
            tty: request.flag("tty"))
        if exchange.info.subresource == "attach" { return ("/attach/\(place)/\(container)", options.query) }
        let command = request.query.filter { $0.name == "command" }
        guard !command.isEmpty else { throw .badRequest("you must specify at least one command for the container") }
        return ("/exec/\(place)/\(container)", options.query + command)
    }
}
