import KubeAPI
import Logging
import ProxyDataPath
import Synchronization
import Transport

/// What the service proxy tells others: metrics, its health, what is programmed (over a unix socket), and to load
/// balancers how many endpoints a service has here.
final class ProxyServers: Sendable {
    private let proxy: ServiceProxy
    private let options: ProxyOptions
    private let socket: String
    private let loops: EventLoops
    private let log: Logger

    init(proxy: ServiceProxy, options: ProxyOptions, socket: String, loops: EventLoops, log: Logger) {
        self.proxy = proxy
        self.options = options
        self.socket = socket
        self.loops = loops
        self.log = log
    }

    /// Serves until the task is cancelled. What can't be listened to is said, and done without.
    func run() async {
        let metrics = HTTPServer(loops: loops, handler: MetricsPages(proxy: proxy), log: log)
        let health = HTTPServer(loops: loops, handler: HealthPages(proxy: proxy), log: log)
        let local = HTTPServer(loops: loops, handler: LocalPages(proxy: proxy), log: log)
        await listen(metrics, options.metricsBindAddress)
        await listen(health, options.healthzBindAddress)
        do {
            try await local.listen(unixSocket: socket)
        } catch {
            log.warning("the proxy can't be asked what is programmed", metadata: ["err": "\(error)"])
        }
        let checks = HealthCheckServers(proxy: proxy, loops: loops, log: log)
        let (changes, changed) = AsyncStream<[UInt16: HealthCheck]>.makeStream(bufferingPolicy: .bufferingNewest(1))
        proxy.onHealthChecks { changed.yield($0) }
        for await wanted in changes { await checks.follow(wanted) }
        await checks.follow([:])
        for server in [metrics, health, local] { await server.shutdown(grace: .zero) }
    }

    private func listen(_ server: HTTPServer, _ address: String) async {
        guard let (host, port) = ProxyOptions.place(address) else { return }
        do {
            try await server.listen(host: host, port: port)
        } catch {
            log.warning("the proxy's pages are not served there", metadata: ["err": "\(error)"])
        }
    }
}

extension HTTPResponder {
    fileprivate func page(_ status: Int, _ text: String, type: String = "text/plain; charset=utf-8") {
        respond(
            status: status, headers: [("Content-Type", type), ("X-Content-Type-Options", "nosniff")],
            body: Array(text.utf8))
    }
    fileprivate func page(_ status: Int, _ json: JSON, headers: [(String, String)] = []) {
        respond(
            status: status,
            headers: [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")] + headers,
            body: json.serialized())
    }
}

/// `/metrics`, and how services are carried.
private struct MetricsPages: HTTPHandler {
    let proxy: ServiceProxy

    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        switch request.path {
        case "/metrics": response.page(200, proxy.metricsText(), type: "text/plain; version=0.0.4; charset=utf-8")
        case "/proxyMode": response.page(200, proxy.mode.rawValue)
        case "/healthz": response.page(200, "ok")
        default: response.page(404, "404 page not found\n")
        }
    }
}

private struct HealthPages: HTTPHandler {
    let proxy: ServiceProxy

    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        switch request.path {
        case "/healthz", "/livez":
            let health = proxy.health(withNode: request.path == "/healthz")
            response.page(health.code, health.body)
        default: response.page(404, "404 page not found\n")
        }
    }
}

/// For commands on this node.
private struct LocalPages: HTTPHandler {
    let proxy: ServiceProxy

    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        if request.path == "/proxy/drain" { return drain(request, response) }
        guard request.path == "/proxy/services" else { return response.page(404, "404 page not found\n") }
        let service = request.parameter("service")
        let proxy = proxy
        // Connections are counted by a walk through conntrack's table, which may take a while.
        Task { response.page(200, proxy.describe(service)) }
    }
}

extension LocalPages {
    /// Asked by the kubelet in a process of its own (`DrainClient`).
    fileprivate func drain(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        guard request.method == "POST", let body = try? JSON.parse(request.body),  // the answer says so
            let uid = body["podUID"].string, let limit = body["limitMs"].int
        else { return response.page(400, "podUID, addresses and limitMs are wanted\n") }
        let proxy = proxy
        Task {
            await proxy.drain(
                podUID: uid, addresses: body["addresses"].items.compactMap(\.string),
                limit: .milliseconds(min(max(0, limit), 60_000)))
            response.page(200, "ok")
        }
    }
}

/// One server for each port at which load balancers ask for a service's endpoints on this node.
private actor HealthCheckServers {
    private let proxy: ServiceProxy
    private let loops: EventLoops
    private let log: Logger
    private var servers: [UInt16: (server: HTTPServer, page: HealthCheckPage)] = [:]

    init(proxy: ServiceProxy, loops: EventLoops, log: Logger) {
        self.proxy = proxy
        self.loops = loops
        self.log = log
    }

    func follow(_ wanted: [UInt16: HealthCheck]) async {
        for (port, known) in servers where wanted[port] == nil {
            servers[port] = nil
            await known.server.shutdown(grace: .zero)
        }
        for (port, check) in wanted {
            if let known = servers[port] {
                known.page.set(check)
                continue
            }
            let page = HealthCheckPage(proxy: proxy, check)
            let server = HTTPServer(loops: loops, handler: page, log: log)
            servers[port] = (server, page)
            for address in proxy.nodePortAddresses {
                do {
                    try await server.listen(host: address.description, port: Int(port))
                } catch {
                    log.warning(
                        "load balancers can't ask for a service's endpoints",
                        metadata: ["service": "\(check.service)", "err": "\(error)"])
                }
            }
        }
    }
}

/// The answer to a load balancer, in kube-proxy's form.
private final class HealthCheckPage: HTTPHandler {
    private let proxy: ServiceProxy
    private let check: Mutex<HealthCheck>

    init(proxy: ServiceProxy, _ check: HealthCheck) {
        self.proxy = proxy
        self.check = Mutex(check)
    }

    func set(_ check: HealthCheck) { self.check.withLock { $0 = check } }

    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        let check = check.withLock { $0 }
        let isHealthy = proxy.isHealthy
        let name = check.service.split(separator: "/", maxSplits: 1)
        let body: JSON = [
            "service": ["namespace": .string(String(name.first ?? "")), "name": .string(String(name.last ?? ""))],
            "localEndpoints": .int(Int64(check.localEndpoints)), "serviceProxyHealthy": .bool(isHealthy),
        ]
        response.page(
            check.localEndpoints > 0 && isHealthy ? 200 : 503, body,
            headers: [("X-Load-Balancing-Endpoint-Weight", String(check.localEndpoints))])
    }
}
