import KubeAPI
import Logging

/// Asks nodes what is used when somebody asks us. Nothing is read while nobody does; who asks for the first time waits
/// the second between two readings.
actor UsageCollector {
    /// Who asks again within it gets the same answer.
    static let freshness = Duration.seconds(1)

    typealias Fetch = @Sendable (KubeletClient.Node) async throws -> [UInt8]

    private let fetch: Fetch
    private let log: Logger
    private var histories: [String: UsageHistory] = [:]
    private var flights: [String: Task<UsageHistory?, Never>] = [:]
    /// Nodes that have not answered: said once.
    private var silent: Set<String> = []

    init(log: Logger, fetch: @escaping Fetch) {
        self.log = log
        self.fetch = fetch
    }

    /// What those nodes say; one that does not answer is left out.
    func usage(of nodes: [KubeletClient.Node]) async -> [String: UsageHistory] {
        await withTaskGroup(of: (String, UsageHistory?).self) { group in
            for node in nodes { group.addTask { (node.name, await self.current(node)) } }
            var known: [String: UsageHistory] = [:]
            for await (name, history) in group { known[name] = history }
            return known
        }
    }

    /// Forgets nodes that are no more.
    func keep(only names: Set<String>) {
        histories = histories.filter { names.contains($0.key) }
        silent.formIntersection(names)
    }

    private func current(_ node: KubeletClient.Node) async -> UsageHistory? {
        if let known = histories[node.name], known.isUsable, let newest = known.newest,
            ContinuousClock.now - newest < Self.freshness
        {
            return known
        }
        // Those who ask at the same time share one reading.
        if let flight = flights[node.name] { return await flight.value }
        let flight = Task { await self.read(node) }
        flights[node.name] = flight
        let history = await flight.value
        flights[node.name] = nil
        return history
    }

    private func read(_ node: KubeletClient.Node) async -> UsageHistory? {
        var history = histories[node.name] ?? UsageHistory()
        do {
            history.add(ResourceScrape(try await fetch(node)), at: .now)
            if !history.isUsable {
                try await Task.sleep(for: UsageHistory.shortest)
                history.add(ResourceScrape(try await fetch(node)), at: .now)
            }
            silent.remove(node.name)
            histories[node.name] = history
            return history
        } catch {
            if silent.insert(node.name).inserted {
                log.warning(
                    "cannot read what a node uses", metadata: ["node": "\(node.name)", "err": "\(error)"])
            }
            return nil
        }
    }
}
