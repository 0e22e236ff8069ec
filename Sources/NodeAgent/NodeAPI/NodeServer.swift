import KubeAPI
import Kernel
import Logging
import Transport

/// The node's own API: logs, pods, metrics, over TLS for the API server and administrators, and over a unix socket for
/// commands on this machine.
final class NodeServer: HTTPHandler {
    /// Whose certificate may ask anything over TLS, beside those of system:masters.
    static let apiServerClient = "kube-apiserver-kubelet-client"

    private let workers: PodWorkers
    private let context: KubeletContext
    private let inotify: Inotify?
    private let log: Logger
    private let isHealthy: @Sendable () -> Bool
    private let local: LocalAPI
    private let streams: NodeStreams?
    private let authorizer: NodeAuthorizer
    private let readings: NodeReadings
    private let processors: ProcessorTime
    private let rates = RecentRates()

    init(
        workers: PodWorkers, context: KubeletContext, inotify: Inotify?, streams: NodeStreams? = nil, log: Logger,
        isHealthy: @escaping @Sendable () -> Bool
    ) {
        self.workers = workers
        self.context = context
        self.inotify = inotify
        self.log = log
        self.isHealthy = isHealthy
        self.streams = streams
        local = LocalAPI(workers: workers, context: context)
        authorizer = NodeAuthorizer(client: context.client, nodeName: context.config.nodeName)
        readings = NodeReadings(workers: workers, runtime: context.runtime)
        // Without a table of mounts there is still /proc/stat.
        processors = ProcessorTime(mounts: (try? CgroupMounts.current()) ?? CgroupMounts())
    }

    func handle(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        switch NodeAccess.verdict(request.peer, authorization: request.header("authorization")) {
        case .allowed: serve(request, response)
        case .refused(let refusal): Self.answer(refusal, response)
        case .asked(let client):
            Task {
                let refusal = await authorizer.refusal(
                    of: client, verb: NodeAccess.verb(of: request.method),
                    subresources: NodeAccess.subresources(of: request.path))
                if let refusal { Self.answer(refusal, response) } else { serve(request, response) }
            }
        }
    }

    private func serve(_ request: HTTPServerRequest, _ response: any HTTPResponder) {
        let parts = request.path.split(separator: "/").map(String.init)
        if let streams, streams.handle(parts, request, response) { return }
        if parts == ["images", "pull"], request.method == "POST", NodeAccess.isLocal(request.peer) {
            return PullAnswer(puller: context.images.puller).handle(request, response)
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return Self.answer(.methodNotAllowed(), response)
        }
        let isLocal = NodeAccess.isLocal(request.peer)
        switch (parts.first ?? "", parts.count) {
        case ("healthz", 1):
            let isHealthy = isHealthy()
            respond(
                response, status: isHealthy ? 200 : 500, type: "text/plain; charset=utf-8",
                Array((isHealthy ? "ok" : "not healthy").utf8))
        case ("pods", 1), ("runningpods", 1): respond(response, podList())
        case ("configz", 1): respond(response, NodeConfigPage.json(context.config))
        case ("metrics", 1): respond(response, metrics: metrics())
        case ("metrics", 2): metrics(of: parts[1], response)
        case ("stats", 2) where parts[1] == "summary":
            let isNarrow = request.parameter("only_cpu_and_memory") == "true"
            let summary = StatsSummary(context: context, readings: readings, processors: processors, rates: rates)
            Task { respond(response, await summary.json(isNarrow: isNarrow)) }
        case ("containerLogs", 4):
            logs(namespace: parts[1], pod: parts[2], container: parts[3], request, response)
        case ("containers", 1) where isLocal:
            respond(response, LocalLists.containers(workers.snapshots, timingsOf: context.runtime))
        case ("images", 2) where isLocal && parts[1] == "used":
            let store = context.images.store
            // A name that the store can't look up is left as it is.
            respond(response, LocalLists.usedImages(workers.snapshots) { try? store.find($0)?.id })
        case ("node", 2) where isLocal: local.handle(parts[1], request, response)
        default: Self.answer(StatusError(code: 404, reason: "NotFound", message: "404 page not found"), response)
        }
    }

    func metrics() -> String { context.metrics.text(nodeName: context.config.nodeName, pods: workers.snapshots) }

    /// The pages below `/metrics`.
    private func metrics(of part: String, _ response: any HTTPResponder) {
        switch part {
        case "probes": respond(response, metrics: context.probeMetrics.text())
        case "resource":
            Task {
                let pods = await readings.pods()
                respond(response, metrics: ResourceMetrics.text(machine: .read(processors), pods: pods))
            }
        case "cadvisor":
            Task {
                let metrics = ContainerMetrics(
                    machine: .read(processors), pods: await readings.pods(),
                    processors: Int(context.node.capacity["cpu"]?.value ?? 0))
                respond(response, metrics: metrics.text())
            }
        default: Self.answer(StatusError(code: 404, reason: "NotFound", message: "404 page not found"), response)
        }
    }

    // MARK: answers

    private func respond(_ response: any HTTPResponder, status: Int = 200, type: String, _ body: [UInt8]) {
        Self.respond(response, status: status, type: type, body)
    }
    private static func respond(_ response: any HTTPResponder, status: Int, type: String, _ body: [UInt8]) {
        response.respond(status: status, headers: [("Content-Type", type)], body: body)
    }
    private func respond(_ response: any HTTPResponder, metrics text: String) {
        respond(response, type: PrometheusText.contentType, Array(text.utf8))
    }
    private func respond(_ response: any HTTPResponder, _ json: JSON) {
        respond(response, type: "application/json", json.serialized())
    }
    /// As text, as the kubelet answers.
    static func answer(_ error: StatusError, _ response: any HTTPResponder) {
        respond(response, status: error.code, type: "text/plain; charset=utf-8", Array((error.message + "\n").utf8))
    }

    private func podList() -> JSON {
        let items = workers.snapshots.sorted { $0.pod.key < $1.pod.key }.map { snapshot in
            var pod = snapshot.pod.json
            pod["kind"] = .null
            pod["apiVersion"] = .null
            pod["status"] = snapshot.status
            return pod
        }
        return ["kind": "PodList", "apiVersion": "v1", "metadata": .emptyObject, "items": .array(items)]
    }

    // MARK: logs

    private func logs(
        namespace: String, pod name: String, container: String, _ request: HTTPServerRequest,
        _ response: any HTTPResponder
    ) {
        do throws(StatusError) {
            let options = try LogOptions(query: request.query)
            let worker = workers.worker(namespace: namespace, name: name)
            guard let worker else {
                throw StatusError(code: 404, reason: "NotFound", message: "pod \"\(name)\" not found")
            }
            let snapshot = worker.snapshot
            let run = try ContainerLogs.run(of: container, in: snapshot, previous: options.previous)
            LogStream(
                path: context.paths.log(snapshot.pod, container, attempt: run.attempt), options: options,
                isRunning: {
                    worker.snapshot.state.run(of: container).map { $0.id == run.id && $0.isRunning } ?? false
                },
                inotify: inotify, worker: worker, log: log
            ).answer(response)
        } catch {
            Self.answer(error, response)
        }
    }
}

/// Which run's log is meant.
enum ContainerLogs {
    /// Throws in the kubelet's words (`validateContainerLogStatus`).
    static func run(of container: String, in snapshot: PodSnapshot, previous: Bool) throws(StatusError) -> ContainerRun
    {
        let pod = snapshot.pod
        guard pod.container(container) != nil else {
            throw StatusError(
                code: 404, reason: "NotFound", message: "container \"\(container)\" in pod \"\(pod.name)\" not found")
        }
        let known = snapshot.state.containers[container] ?? ContainerState()
        let status = snapshot.containerStatus(container)
        // What the status calls the last one: a container that waits to be started again has it in `lastState`.
        let isWaiting = status?.state["waiting"].isObject ?? true
        let shown =
            previous
            ? (isWaiting && known.current != nil ? known.current : known.previous) : known.current ?? known.previous
        guard let shown else {
            if previous {
                throw .badRequest("previous terminated container \"\(container)\" in pod \"\(pod.name)\" not found")
            }
            let reason = status?.waitingReason ?? "ContainerCreating"
            throw .badRequest("container \"\(container)\" in pod \"\(pod.name)\" is waiting to start: \(reason)")
        }
        return shown
    }
}
