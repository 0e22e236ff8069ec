import KubeAPI

/// GET of a collection with `watch`: a line per change, from a revision on or from everything that exists.
enum WatchHandler {
    /// A watch without `timeoutSeconds` ends after this and up to as much again, so that not all clients come back at
    /// once (kube-apiserver's --min-request-timeout).
    private static let minTimeoutSeconds = 1800
    /// What a client may ask for at most; beyond it, the arithmetic would not hold.
    private static let maxTimeoutSeconds = 365 * 24 * 3600

    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let request = exchange.request
        let representation = try Representation.negotiate(request)
        let query = try ListQuery(exchange, isWatch: true)
        let filter = try resource.filter(request, exchange.info)
        let asked = try request.integer("timeoutSeconds") ?? 0
        let seconds = asked > 0 ? min(asked, maxTimeoutSeconds) : minTimeoutSeconds + Int.random(in: 0..<minTimeoutSeconds)
        let takesBookmarks = request.flag("allowWatchBookmarks")
        let current = context.registry.hub.revision
        let start = try start(query, current: current, takesBookmarks: takesBookmarks)

        let stream = exchange.stream(contentType: Exchange.json)
        let metrics = context.metrics
        let name = resource.resource
        metrics.watchStarted(name)
        let now = WatchHub.now()
        let watcher = Watcher(
            filter: filter, representation: representation, kind: resource.kind,
            apiVersion: resource.type.path.apiVersion, bookmarks: takesBookmarks, now: now,
            deadline: now + Int64(seconds) * 1_000_000_000, stream: stream, onEnd: { metrics.watchEnded(name) })
        if let floor = resource.cache.watch(watcher, from: start, currentRevision: current) {
            // As in Kubernetes the answer is an event: the stream has begun.
            stream.write(Watcher.expired(query.revision ?? 0, floor))
            stream.finish()
            watcher.close()
        }
    }

    private static func start(
        _ query: ListQuery, current: Int64, takesBookmarks: Bool
    ) throws(StatusError) -> ResourceCache.WatchStart {
        switch (query.sendsInitialEvents, query.revision ?? 0) {
        case (true?, let revision):
            try ListQuery.checkReached(revision, current)
            return .initial(endBookmark: takesBookmarks)
        case (nil, 0):
            return .initial(endBookmark: false)
        case (false?, 0):
            return .after(current)
        case (_, let revision):
            return .after(revision)
        }
    }
}
