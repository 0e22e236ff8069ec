import Glibc
import KubeAPI
import Kernel
import Logging
import Transport

/// exec, attach and port-forward: requests that become streams between a client and a pod of this node.
///
/// Paths and texts are the kubelet's: `/exec/NAMESPACE/POD/[UID/]CONTAINER`, the same of `attach`, and
/// `/portForward/NAMESPACE/POD[/UID]`.
struct NodeStreams: Sendable {
    let workers: PodWorkers
    let context: KubeletContext
    let sockets: PodSockets

    init(workers: PodWorkers, context: KubeletContext, loop: EpollLoop) {
        self.workers = workers
        self.context = context
        sockets = PodSockets(threads: context.files, loop: loop)
    }

    /// Answers the request, if it is one of ours: its path's parts say so. From whom it comes has been checked.
    func handle(_ parts: [String], _ request: HTTPServerRequest, _ response: any HTTPResponder) -> Bool {
        guard let kind = parts.first, ["exec", "attach", "portForward"].contains(kind) else { return false }
        let hasContainer = kind != "portForward"
        let counts = hasContainer ? 4...5 : 3...4
        guard counts.contains(parts.count) else { return false }
        do throws(StatusError) {
            guard request.method == "GET" || request.method == "POST" else { throw .methodNotAllowed() }
            let uid = parts.count == counts.upperBound ? parts[3] : nil
            let worker = try worker(namespace: parts[1], name: parts[2], uid: uid)
            let change =
                switch kind {
                case "exec": try exec(worker, container: parts[parts.count - 1], request)
                case "attach": try attach(worker, container: parts[parts.count - 1], request)
                default: try forward(worker, request)
                }
            response.upgrade(change)
        } catch {
            NodeServer.answer(error, response)
        }
        return true
    }

    private func worker(namespace: String, name: String, uid: String?) throws(StatusError) -> PodWorker {
        guard let worker = workers.worker(namespace: namespace, name: name), uid == nil || worker.uid == uid else {
            throw StatusError(code: 404, reason: "NotFound", message: "pod does not exist")
        }
        return worker
    }

    /// As the kubelet's Go code answers an error that it has no code for.
    private func failure(_ text: String) -> StatusError {
        StatusError(code: 500, reason: "InternalError", message: text)
    }

    // MARK: exec

    private func exec(
        _ worker: PodWorker, container: String, _ request: HTTPServerRequest
    ) throws(StatusError) -> ProtocolSwitch {
        let options = try RemoteCommandOptions(query: request.query)
        guard let run = worker.snapshot.state.run(of: container), run.isRunning else {
            throw failure("container not found (\"\(container)\")")
        }
        let command = request.query.filter { $0.name == "command" }.map(\.value)
        guard !command.isEmpty else { throw .badRequest("a command is required") }
        let exec = ExecStream(
            runtime: context.runtime, podUID: worker.uid, containerID: run.id, command: command, log: context.log)
        return try RemoteCommandUpgrade.make(request, options: options) { session in exec.begin(session) }
    }

    // MARK: attach

    private func attach(
        _ worker: PodWorker, container: String, _ request: HTTPServerRequest
    ) throws(StatusError) -> ProtocolSwitch {
        var options = try RemoteCommandOptions(query: request.query)
        let snapshot = worker.snapshot
        guard let spec = snapshot.pod.container(container), let run = snapshot.state.run(of: container), run.isRunning
        else {
            throw failure("container \(container) not found in pod \(snapshot.pod.name)_\(snapshot.pod.namespace)")
        }
        // The terminal is the container's, or there is none.
        let tty = spec.json["tty"].bool ?? false
        options = RemoteCommandOptions(
            stdin: options.stdin, stdout: options.stdout, stderr: options.stderr, tty: tty)
        let attach = AttachStream(runtime: context.runtime, worker: worker, container: container, containerID: run.id)
        return try RemoteCommandUpgrade.make(request, options: options) { session in attach.begin(session) }
    }

    // MARK: port-forward

    private func forward(_ worker: PodWorker, _ request: HTTPServerRequest) throws(StatusError) -> ProtocolSwitch {
        let pod = worker.snapshot.pod
        guard case .ready = worker.snapshot.state.sandbox else {
            throw failure("pod not found (\"\(pod.name)_\(pod.namespace)\")")
        }
        let sockets = sockets
        return try PortForwardUpgrade.make(request) { port in
            let prefix = "error forwarding port \(port) to pod \(pod.name)_\(pod.namespace), uid \(pod.uid): "
            // Asked for each connection: the pod may have been built anew meanwhile.
            guard case .ready(let sandbox) = worker.snapshot.state.sandbox else {
                return .failure(PortForwardFailure(prefix + "the pod does not run"))
            }
            switch await sockets.connect(supervisor: Int32(sandbox.podinitPID), port: port) {
            case .success(let socket): return .success(socket)
            case .failure(let failure): return .failure(PortForwardFailure(prefix + failure.text))
            }
        }
    }
}
