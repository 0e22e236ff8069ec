import KubeAPI
import Kernel
import Logging
import Synchronization

/// Keeps each class of service at the processor share that its pods ask for together.
///
/// Within a class pods compete by their own requests; between classes the folders of the classes do. Left at the
/// kernel's default a class of thirty pods would have no more than one of a single pod. The best-effort class always has
/// the least there is.
final class ClassShares: Sendable {
    private let cgroups: any Cgroups
    private let log: Logger
    private struct State {
        /// Thousandths of a processor, by pod.
        var requests: [QOSClass: [String: Int]] = [:]
        var written: [QOSClass: UInt64] = [:]
    }
    private let state = Mutex(State())

    init(cgroups: any Cgroups, log: Logger) {
        self.cgroups = cgroups
        self.log = log
    }

    /// A pod has come.
    func add(_ spec: SandboxSpec) {
        change(spec.qos) { $0[spec.podUID] = spec.resources.cpuRequestMilli ?? 0 }
    }

    /// A pod is gone.
    func remove(_ spec: SandboxSpec) { change(spec.qos) { $0[spec.podUID] = nil } }

    /// What Kubernetes gives a class: 1024 for each processor asked for, and never less than 2.
    static func shares(ofMilli milli: Int) -> UInt64 { UInt64(min(max(milli * 1024 / 1000, 2), 262_144)) }

    private func change(_ qos: QOSClass, _ body: (inout [String: Int]) -> Void) {
        guard qos != .besteffort else { return }
        // Written under the lock: of two changes the later must be the one that stays.
        state.withLock { state in
            body(&state.requests[qos, default: [:]])
            let total = (state.requests[qos] ?? [:]).values.reduce(0) { $0 + min(max($1, 0), 1 << 32) }
            let shares = Self.shares(ofMilli: total)
            guard state.written[qos] != shares else { return }
            do throws(KernelError) {
                try cgroups.update(qos.rawValue, CgroupLimits(cpuShares: shares))
                state.written[qos] = shares
            } catch {
                log.warning(
                    "cannot set the share of a class of pods",
                    metadata: ["class": "\(qos.rawValue)", "err": "\(error)"])
            }
        }
    }
}
