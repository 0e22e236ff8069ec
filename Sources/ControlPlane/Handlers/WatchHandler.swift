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
        let timeout = try request.integer("timeoutSeconds") ?? 0
        let seconds =
            timeout > 0 ? min(timeout, maxTimeoutSeconds) : minTimeoutSeconds + Int.random(in: 0..<minTimeoutSeconds)
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
        let asked = query.revision ?? 0
        var refusal: StatusError?
        if asked > current {
            // Nobody has it from us: the store was restored from a backup, or it is another cluster's. Expired, so that
            // the client lists anew instead of waiting for a future that will differ from what it has seen.
            refusal = .expired("too large resource version: \(asked), current: \(current)")
        } else if let floor = resource.cache.watch(watcher, from: start, currentRevision: current) {
            refusal = Watcher.expired(asked, floor)
        }
        guard let refusal else { return }
        // As in Kubernetes the answer is an event: the stream has begun.
        stream.write(Watcher.line("ERROR", refusal.json))
        stream.finish()
        watcher.close()
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
