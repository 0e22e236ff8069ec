import Glibc
import Kernel
import KubeAPI
import Logging
import Synchronization

/// The cluster's DNS on one node: answers from what it watches, and asks the node's own resolvers for all else.
public final class DNSServer: Sendable {
    private let config: DNSConfig
    private let client: any APIClient
    let log: Logger
    private let domain: DNSName
    private let file: ResolverFile
    let loop: EpollLoop
    let state: Mutex<ServerState>

    /// Nothing is opened before `run`. Throws for a domain that can't be one.
    public init(config: DNSConfig, client: any APIClient, log: Logger) throws {
        guard DNSConfig.problem(domain: config.domain) == nil, let domain = DNSName(config.domain) else {
            throw DNSError(
                description:
                    "cannot serve the domain \(config.domain): \(DNSConfig.problem(domain: config.domain) ?? "")")
        }
        self.config = config
        self.client = client
        self.log = log
        self.domain = domain
        file = ResolverFile(
            path: config.resolvConf, own: [config.serviceAddress])
        loop = try EpollLoop(name: "swl-dns")
        let book = ServiceBook(domain: domain)
        var zone = ClusterZone(domain: domain)
        zone.set("apex", book.apex(server: config.serviceAddress))
        state = Mutex(ServerState(book: book, responder: Responder(zone: zone, ranges: config.ranges)))
    }

    /// It answers, and knows all services.
    public var isHealthy: Bool { failure == nil }

    /// What is wrong, where it is not healthy.
    public var failure: String? { state.withLock { $0.failure } }

    public var counts: DNSCounts { state.withLock { $0.counts } }

    /// Serves until the task is cancelled.
    public func run() async {
        state.withLock { $0.failure = "its first lists are not in yet" }
        let informers = informers()
        await withTaskGroup(of: Void.self) { group in
            for informer in informers { group.addTask { await informer.run() } }
            group.addTask {
                // Half of the names would be worse than none: a client remembers that a name is not.
                for informer in informers { await informer.waitForSync() }
                await self.serve()
            }
        }
        loop.stop()
    }

    private func serve() async {
        var backoff = Backoff(first: .milliseconds(100), limit: .seconds(10))
        while !Task.isCancelled {
            do {
                let strangers = ClientFilter(config.clients)
                let datagrams = try DatagramFront(config, strangers)
                let streams = try StreamFront(config, strangers)
                defer {
                    datagrams.stop(self)
                    streams.stop(self)
                }
                try datagrams.start(self)
                try streams.start(self)
                refreshServers()
                state.withLock { $0.failure = nil }
                log.info(
                    "names are answered",
                    metadata: ["domain": "\(domain)", "address": "\(config.address)", "port": "\(config.port)"])
                // Cancellation ends it.
                while !Task.isCancelled { try? await Task.sleep(for: .seconds(1 << 32)) }
            } catch {
                state.withLock { $0.failure = "\(error)" }
                log.error("cannot answer names", metadata: ["err": "\(error)"])
                try? await Task.sleep(for: backoff.next())  // the loop looks at cancellation
            }
        }
    }

    private func informers() -> [Informer] {
        let services = Informer(client, .services, log: log, transform: Self.reducedService)
        let slices = Informer(client, .endpointSlices, log: log, transform: Self.reducedSlice)
        let namespaces = Informer(client, .namespaces, log: log, transform: Self.reduced)
        services.onEvent { [weak self] event in
            self?.state.withLock { state in
                if case .deleted(let object) = event {
                    state.responder.zone.remove("service " + state.book.remove(service: object))
                } else {
                    let (key, records) = state.book.set(service: event.object)
                    state.responder.zone.set("service " + key, records)
                }
            }
        }
        slices.onEvent { [weak self] event in
            self?.state.withLock { state in
                let changes: [(String, [(DNSName, ZoneRecord)])]
                if case .deleted(let object) = event {
                    changes = state.book.remove(slice: object)
                } else {
                    changes = state.book.set(slice: event.object)
                }
                for (key, records) in changes { state.responder.zone.set("service " + key, records) }
            }
        }
        namespaces.onEvent { [weak self] event in
            self?.state.withLock { state in
                let name = event.object.name
                if case .deleted = event {
                    state.responder.zone.remove("namespace " + name)
                } else {
                    state.responder.zone.set("namespace " + name, state.book.records(namespace: name))
                }
            }
        }
        return [services, slices, namespaces]
    }

    // What is kept of the objects: names, and what records are made of.

    private static func reduced(_ object: JSON) -> JSON {
        let metadata = object["metadata"]
        return ["metadata": keep(metadata, ["name", "namespace", "resourceVersion"])]
    }

    private static func reducedService(_ object: JSON) -> JSON {
        var result = reduced(object)
        result["spec"] = keep(object["spec"], ["type", "clusterIP", "clusterIPs", "externalName", "ports"])
        return result
    }

    private static func reducedSlice(_ object: JSON) -> JSON {
        var result = reduced(object)
        let service = object.labels["kubernetes.io/service-name"]
        if let service { result["metadata"]["labels"] = ["kubernetes.io/service-name": .string(service)] }
        result["ports"] = object["ports"]
        result["endpoints"] = .array(
            object["endpoints"].items.map { keep($0, ["addresses", "conditions", "hostname"]) })
        return result
    }

    private static func keep(_ object: JSON, _ fields: [String]) -> JSON {
        var result: JSON = [:]
        for field in fields where !object[field].isNull { result[field] = object[field] }
        return result
    }

    // MARK: the resolvers behind

    /// Reads the file that names them where it has changed.
    func refreshServers() {
        let stamp = file.stamp
        guard state.withLock({ $0.stamp != stamp }) else { return }
        do throws(KernelError) {
            let servers = try file.resolvers()
            state.withLock { state in
                state.stamp = stamp
                state.servers = servers
                state.circular = []
                state.cache.removeAll()
            }
            log.info(
                "other names are asked for at",
                metadata: ["resolvers": "\(servers.map { "\($0)" }.joined(separator: " "))", "file": "\(file.path)"])
            for server in servers { probe(server) }
        } catch {
            state.withLock { state in
                state.stamp = stamp
                state.servers = []
            }
            log.warning("cannot read the resolvers behind", metadata: ["err": "\(error)"])
        }
    }

    /// Asks a resolver for a name that nobody has: where the question comes to us, so would all others.
    private func probe(_ server: IPAddress) {
        let text = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        guard let name = DNSName("\(text).\(text.reversed().map(String.init).joined())") else { return }
        let outside = Responder.Outside(
            name: name, type: RecordType.hinfo, recordClass: RecordClass.internet, wantsSignatures: false)
        let key = OutsideCache.Key(outside)
        state.withLock { state in
            state.probes[name] = server
            state.flights[key] = Flight(key: key, servers: [server])
        }
        loop.post { [weak self] in self?.launch(key) }
        loop.after(.seconds(10)) { [weak self] in self?.state.withLock { $0.probes[name] = nil } }
    }

    /// A probe has come back.
    func foundCircle(_ server: IPAddress) {
        state.withLock { state in
            state.servers.removeAll { $0 == server }
            state.circular.insert(server)
        }
        log.error(
            "a resolver behind asks this server: it is left out",
            metadata: ["resolver": "\(server)", "file": "\(file.path)", "remedy": "name another resolver there"])
    }

    static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int(time.tv_sec)
    }
}

/// What a DNS server can't be made of.
public struct DNSError: Error, CustomStringConvertible {
    public let description: String
}
