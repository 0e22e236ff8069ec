import ControlPlane
import KubeAPI
import Logging
import Synchronization

/// A component of which one works at a time where several may run: made anew for each term of office.
final class ElectedComponent<Component: Sendable>: Sendable {
    private let elector: LeaderElector?
    private let current = Mutex<Component?>(nil)
    private let make: @Sendable () -> Component
    private let work: @Sendable (Component) async -> Void
    private let hasSynced: @Sendable (Component) -> Bool

    init(
        elector: LeaderElector?, make: @escaping @Sendable () -> Component,
        work: @escaping @Sendable (Component) async -> Void, hasSynced: @escaping @Sendable (Component) -> Bool
    ) {
        self.elector = elector
        self.make = make
        self.work = work
        self.hasSynced = hasSynced
    }

    /// Whether it knows what it needs to, or stands by while another one works.
    var isReady: Bool {
        if let component = current.withLock({ $0 }) { return hasSynced(component) }
        return elector != nil
    }

    var metrics: String { elector?.metrics ?? "" }

    /// Runs until the task is cancelled.
    func run() async {
        guard let elector else { return await serve() }
        await elector.run { await self.serve() }
    }

    private func serve() async {
        let component = make()
        current.withLock { $0 = component }
        await work(component)
        current.withLock { $0 = nil }
    }
}

typealias Scheduling = ElectedComponent<Scheduler>
typealias Controlling = ElectedComponent<ControllerManager>

extension ElectedComponent where Component == Scheduler {
    convenience init(client: any APIClient, leaderElection: Bool, log: Logger) {
        self.init(
            elector: leaderElection
                ? LeaderElector(client: client, name: "kube-scheduler", identity: Self.identity, log: log) : nil,
            make: { Scheduler(client: client, log: log) }, work: { await $0.run() }, hasSynced: { $0.isHealthy })
    }
}

extension ElectedComponent where Component == ControllerManager {
    /// - Parameter accounts: the API as a service account of kube-system.
    convenience init(
        client: any APIClient, accounts: @escaping @Sendable (_ name: String) -> any APIClient,
        options: ControllerOptions, leaderElection: Bool, log: Logger
    ) {
        self.init(
            elector: leaderElection
                ? LeaderElector(client: client, name: "kube-controller-manager", identity: Self.identity, log: log)
                : nil,
            make: { ControllerManager(client: client, as: accounts, options: options, log: log) },
            work: { await $0.run() },
            hasSynced: { $0.isHealthy })
    }
}

extension ElectedComponent {
    /// As Kubernetes' components name themselves: the host and something that no other has.
    static var identity: String {
        let number = UInt64.random(in: 0...UInt64.max)
        return "\(NodeOptions.hostName)_\(String(number, radix: 16))"
    }
}
