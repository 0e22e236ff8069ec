import Glibc
import KubeAPI
import Synchronization

/// What `/metrics` shows, under the names that dashboards of Kubernetes expect. A series that can't be filled honestly
/// is absent.
final class ServerMetrics: Sendable {
    /// Upper bounds of the duration buckets in seconds, as kube-apiserver has them.
    private static let bounds: [Double] = [
        0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
    ]
    /// Series beyond this number are counted together: paths come from clients.
    private static let maxSeries = 4096

    private struct Key: Hashable {
        let verb: String
        let group: String
        let version: String
        let resource: String
        let subresource: String
        let scope: String
        let dryRun: Bool
    }
    private struct Counts {
        var byCode: [Int: Int] = [:]
        var durations = MetricHistogram(bounds: ServerMetrics.bounds)
    }
    private struct State {
        var requests: [Key: Counts] = [:]
        var watches: [String: Int] = [:]
    }
    private let state = Mutex(State())
    private let startTime = time(nil)

    /// Counts an answered request. `started` is nil for one that runs on.
    func finished(_ info: RequestInfo, status: Int, dryRun: Bool, started: Int64?) {
        let key = Key(
            verb: info.verb == "deletecollection" ? "DELETECOLLECTION" : info.verb.uppercased(), group: info.group,
            version: info.version, resource: info.resource,
            subresource: info.isResource ? info.subresource : Self.route(info.path),
            scope: info.scope, dryRun: dryRun)
        let seconds = started.map { Double(WatchHub.now() - $0) / 1e9 }
        state.withLock { state in
            var index = state.requests.index(forKey: key)
            if index == nil {
                if state.requests.count >= Self.maxSeries { return }
                state.requests[key] = Counts()
                index = state.requests.index(forKey: key)
            }
            guard let index else { return }
            state.requests.values[index].byCode[status, default: 0] += 1
            if let seconds { state.requests.values[index].durations.observe(seconds) }
        }
    }

    func watchStarted(_ resource: String) { state.withLock { $0.watches[resource, default: 0] += 1 } }
    func watchEnded(_ resource: String) { state.withLock { $0.watches[resource, default: 0] -= 1 } }

    /// The first part of a path outside resources, so that a client can't make series at will.
    private static func route(_ path: String) -> String {
        "/" + (path.split(separator: "/").first.map(String.init) ?? "")
    }

    /// In Prometheus' text form. `objects`: number of stored objects by resource.
    func text(objects: [(resource: String, count: Int)], backlog: Int?) -> String {
        let (requests, watches) = state.withLock { ($0.requests, $0.watches) }
        var text = PrometheusText()
        let sorted = requests.sorted { "\($0.key)" < "\($1.key)" }
        text.family("apiserver_request_total", .counter, "Requests by verb, resource and HTTP code.")
        for (key, counts) in sorted {
            for (code, count) in counts.byCode.sorted(by: { $0.key < $1.key }) {
                text.sample("apiserver_request_total", Self.labels(key) + [("code", "\(code)")], count)
            }
        }
        for name in ["apiserver_request_duration_seconds", "apiserver_request_sli_duration_seconds"] {
            text.family(name, .histogram, "Response latency in seconds.")
            for (key, counts) in sorted where counts.durations.count > 0 {
                text.samples(name, Self.labels(key), counts.durations)
            }
        }
        text.family("apiserver_longrunning_requests", .gauge, "Open watches.")
        for (resource, count) in watches.sorted(by: { $0.key < $1.key }) {
            text.sample(
                "apiserver_longrunning_requests",
                [("component", "apiserver"), ("resource", resource), ("verb", "WATCH")], count)
        }
        text.family("apiserver_storage_objects", .gauge, "Stored objects by resource.")
        for (resource, count) in objects { text.sample("apiserver_storage_objects", [("resource", resource)], count) }
        if let backlog {
            text.one(
                "swiftlet_store_queue_depth", .gauge, "Writes that wait for the store's next transaction.", backlog)
        }
        text.family("kubernetes_build_info", .gauge, "Always 1, labelled by version.")
        text.sample(
            "kubernetes_build_info",
            [
                ("git_version", KubernetesVersion.gitVersion), ("major", KubernetesVersion.major),
                ("minor", KubernetesVersion.minor),
            ], 1)
        ProcessMetrics.write(startTime: startTime, into: &text)
        return text.text
    }

    private static func labels(_ key: Key) -> PrometheusText.Labels {
        [
            ("component", "apiserver"), ("dry_run", key.dryRun ? "All" : ""), ("group", key.group),
            ("resource", key.resource), ("scope", key.scope), ("subresource", key.subresource), ("verb", key.verb),
            ("version", key.version),
        ]
    }
}
