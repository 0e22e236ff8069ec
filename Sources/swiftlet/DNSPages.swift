import DNS
import KubeAPI
import Logging
import Transport

/// The DNS server's metrics and health, for those who collect them.
struct DNSPages: HTTPHandler {
    let dns: DNSServer

    /// Serves until the task is cancelled. Where it can't listen it says so, and does without.
    func run(at address: String, loops: EventLoops, log: Logger) async {
        guard let (host, port) = ProxyOptions.place(address) else { return }
        let server = HTTPServer(loops: loops, handler: self, log: log)
        do {
            try await server.listen(host: host, port: port)
        } catch {
            log.warning("the DNS server's metrics are not served", metadata: ["err": "\(error)"])
        }
        // Cancellation ends it.
        while !Task.isCancelled { try? await Task.sleep(for: .seconds(1 << 32)) }
        await server.shutdown(grace: .zero)
    }

    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        switch request.path {
        case "/metrics": respond(response, 200, dns.metricsText(), type: PrometheusText.contentType)
        case "/health": respond(response, dns.isHealthy ? 200 : 503, dns.isHealthy ? "OK" : dns.failure ?? "")
        default: respond(response, 404, "404 page not found\n")
        }
    }

    private func respond(
        _ response: any HTTPResponder, _ status: Int, _ text: String, type: String = "text/plain; charset=utf-8"
    ) {
        response.respond(
            status: status, headers: [("Content-Type", type), ("X-Content-Type-Options", "nosniff")],
            body: Array(text.utf8))
    }
}
