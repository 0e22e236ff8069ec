import KubeAPI
import Transport

/// A running container as probes and hooks see it.
struct HealthTarget: Sendable {
    let podUID: String
    let podIP: String
    let container: Container
    let containerID: String
}

/// What looks at containers from outside and within: the seam between deciding and asking. Tests put a fake here.
protocol HealthRunner: Sendable {
    func probe(_ action: HealthAction, of target: HealthTarget, timeout: Duration) async -> ProbeOutcome
    /// Runs a life-cycle hook to its end; cancelled with its task.
    /// - Returns: the server that was to be asked by HTTPS and only knows HTTP; else nil.
    func run(hook action: HealthAction, of target: HealthTarget) async throws(HealthActionError) -> String?
}

/// Asks over the network and by commands. Every call runs beside all others and ends at its time, so that one that
/// hangs costs nobody else anything.
struct NodeHealthRunner: HealthRunner {
    let dialer: Dialer
    /// Runs commands in containers; nil where nobody can.
    let commands: (any CommandRunner)?

    /// Of an answer's body, as in Kubernetes: only what is shown is kept.
    static let bodyLimit = 10 << 10

    func probe(_ action: HealthAction, of target: HealthTarget, timeout: Duration) async -> ProbeOutcome {
        do throws(HealthActionError) {
            switch action {
            case .httpGet(let action): return try await HTTPProbe(dialer).probe(action, of: target, timeout: timeout)
            case .tcpSocket(let host, let port): return try await tcp(host, port, target, timeout)
            case .exec(let command): return try await exec(command, target, timeout)
            case .grpc(let port, let service):
                return await GRPCProbe(dialer).probe(port: port, service: service, of: target, timeout: timeout)
            case .sleep, .none:
                throw HealthActionError("missing probe handler for \(target.container.name)")
            }
        } catch {
            return .error(state: "unknown", message: error.description)
        }
    }

    private func tcp(_ host: String, _ port: JSON, _ target: HealthTarget, _ timeout: Duration)
        async throws(HealthActionError) -> ProbeOutcome
    {
        let number = try target.container.probePort(port)
        let url = ProbeURL(
            scheme: "tcp", host: host.isEmpty ? target.podIP : host, port: number, path: "/")
        do throws(DialError) {
            try await dialer.touch(host: url.host, port: number, timeout: timeout)
            return .success
        } catch {
            return .failure(
                GoErrors.dial(host: url.host, address: url.address, error), nobodyListens: error.isRefusal)
        }
    }

    private func exec(_ command: [String], _ target: HealthTarget, _ timeout: Duration)
        async throws(HealthActionError) -> ProbeOutcome
    {
        guard let commands else { throw HealthActionError("this node cannot run commands in containers") }
        let command = target.container.expandStatically(command)
        let result = try await commands.run(command, in: target, timeout: timeout)
        switch result.end {
        case .exited(0): return .success
        case .exited: return .failure(result.output)
        case .timedOut:
            let words = command.joined(separator: " ")
            return .failure(
                "command timed out: \(GoText.quoted(words)) timed out after \(timeout.goDescription)")
        }
    }

    func run(hook action: HealthAction, of target: HealthTarget) async throws(HealthActionError) -> String? {
        switch action {
        case .httpGet(let action): return try await HTTPProbe(dialer).run(hook: action, of: target)
        case .exec(let command):
            guard let commands else { throw HealthActionError("this node cannot run commands in containers") }
            let result = try await commands.run(command, in: target, timeout: nil)
            if case .exited(let code) = result.end, code != 0 {
                throw HealthActionError(
                    "Exec lifecycle hook ([\(command.joined(separator: " "))]) for Container \"\(target.container.name)\" "
                        + "failed - error: command '\(command.joined(separator: " "))' exited with \(code): "
                        + "\(result.output), message: \(GoText.quoted(result.output))")
            }
        case .sleep(let seconds):
            do {
                try await Task.sleep(for: .seconds(seconds))
            } catch {
                throw HealthActionError("container terminated before sleep hook finished")
            }
        case .tcpSocket, .grpc, .none: throw HealthActionError("invalid handler: no actions defined")
        }
        return nil
    }
}

/// Runs commands in running containers, apart from their own processes.
protocol CommandRunner: Sendable {
    /// - Parameter timeout: after which it is killed; nil to wait for its end.
    func run(_ command: [String], in target: HealthTarget, timeout: Duration?) async throws(HealthActionError)
        -> CommandResult
}

/// How a command in a container ended.
struct CommandResult: Sendable, Equatable {
    enum End: Sendable, Equatable {
        case exited(Int)
        case timedOut
    }
    var end: End
    /// The first of what it wrote to both outputs.
    var output: String
}

extension Container {
    /// `$(NAME)` of variables that the spec gives a value: a probe's command sees no others (kubernetes
    /// pkg/kubelet/container, `ExpandContainerCommandOnlyStatic`).
    func expandStatically(_ command: [String]) -> [String] {
        var values: [String: String] = [:]
        for variable in env where variable["valueFrom"].isNull {
            values[variable["name"].stringValue] = variable["value"].stringValue
        }
        return command.map { text in VariableExpansion.expand(text) { values[$0] } }
    }
}
