import KubeAPI
import Transport

/// `grpc`: the health check protocol of gRPC, in the words of Kubernetes' prober (pkg/probe/grpc).
struct GRPCProbe {
    private let dialer: Dialer

    init(_ dialer: Dialer) { self.dialer = dialer }

    func probe(port: Int, service: String, of target: HealthTarget, timeout: Duration) async -> ProbeOutcome {
        let url = ProbeURL(scheme: "http", host: target.podIP, port: port, path: "/")
        do throws(DialError) {
            let health = try await dialer.checkHealth(
                host: target.podIP, port: port, service: service,
                agent: "kube-probe/\(KubernetesVersion.major).\(KubernetesVersion.minor)", timeout: timeout)
            return Self.outcome(health, timeout: timeout)
        } catch {
            if error.stage != .connection, error.cause == .timedOut {
                return .failure("timeout: health rpc did not complete within \(timeout.goDescription)")
            }
            // gRPC's client goes on trying until its time is up, and then says only that.
            if error.stage == .connection, error.cause != .cancelled {
                return .failure(
                    "timeout: failed to connect service \(GoText.quoted(url.address)) within "
                        + "\(timeout.goDescription): context deadline exceeded",
                    nobodyListens: error.isRefusal)
            }
            return .failure(
                "error: health rpc probe failed: rpc error: code = Unavailable desc = connection error: \(error.cause)")
        }
    }

    static func outcome(_ health: GRPCHealth, timeout: Duration) -> ProbeOutcome {
        switch health {
        case .status(1): return .success
        case .status(let status):
            let name = statuses.indices.contains(status) ? statuses[status] : String(status)
            return .failure("service unhealthy (responded with \"\(name)\")")
        case .failed(let code, let message):
            switch code {
            case 12:
                return .failure(
                    "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): \(message)"
                )
            case 4: return .failure("timeout: health rpc did not complete within \(timeout.goDescription)")
            default:
                let name = codes.indices.contains(code) ? codes[code] : "Code(\(code))"
                return .failure("error: health rpc probe failed: rpc error: code = \(name) desc = \(message)")
            }
        }
    }

    private static let statuses = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]
    private static let codes = [
        "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
        "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
        "Internal", "Unavailable", "DataLoss", "Unauthenticated",
    ]
}
