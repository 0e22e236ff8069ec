import KubeAPI
import Transport

/// GET of `nodes/NAME/proxy/…`: what the node's own API answers, as it is.
enum NodeProxyHandler {
    static func handle(_ exchange: Exchange, _ context: ServerContext) throws(StatusError) {
        let name = exchange.info.name
        let node = KubeletClient.Node(name: name, address: try PodLogHandler.address(of: name, context))
        guard let kubelets = context.kubelets else {
            throw StatusError(code: 503, reason: "ServiceUnavailable", message: "this server does not reach kubelets")
        }
        let path = path(exchange.info)
        let query = exchange.request.query
        let isLocal = kubelets.passToLocal(exchange.request.method, node, path, query: query) {
            exchange.handOver(status: 200)
        }
        if isLocal { return }
        Task {
            do {
                let answer = try await kubelets.open(node, path, query: query)
                await exchange.pass(answer, contentType: answer.header("content-type") ?? "application/octet-stream")
            } catch {
                exchange.fail(
                    StatusError(
                        code: 503, reason: "ServiceUnavailable", message: "error trying to reach service: \(error)"))
            }
        }
    }

    /// What follows `proxy`.
    static func path(_ info: RequestInfo) -> String {
        let parts = info.path.split(separator: "/", omittingEmptySubsequences: false)
        guard let proxy = parts.firstIndex(of: "proxy") else { return "/" }
        return "/" + parts[(proxy + 1)...].joined(separator: "/")
    }
}
