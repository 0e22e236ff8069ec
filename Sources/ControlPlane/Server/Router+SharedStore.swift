import KubeAPI

/// What is different where other servers write to the same store: this one's caches may be behind what a client has
/// been told elsewhere.
extension Router {
    /// Reads that must show everything that was answered before wait until the caches have it. A write that is refused
    /// for what the caches hold is looked at once more with fresh ones: its guard holds in the store itself.
    func serveFresh(_ exchange: Exchange) throws(StatusError) {
        guard context.registry.hub.store.isShared else { return try serveResource(exchange) }
        switch exchange.info.verb {
        case "get", "list", "watch":
            if isConsistentRead(exchange) { serveCaughtUp(exchange) } else { try serveResource(exchange) }
        default:
            do throws(StatusError) { try serveResource(exchange) } catch { serveCaughtUp(exchange) }
        }
    }

    private func serveCaughtUp(_ exchange: Exchange) {
        context.registry.hub.store.catchUp { failure in
            if let failure { return exchange.fail(.store(failure)) }
            // Not on the store's thread, which others wait for.
            Task {
                do throws(StatusError) { try self.serveResource(exchange) } catch { exchange.fail(error) }
            }
        }
    }

    /// Without a resource version, or with one that only another server has given out so far.
    private func isConsistentRead(_ exchange: Exchange) -> Bool {
        let request = exchange.request
        guard let text = request.parameter("resourceVersion") else { return request.parameter("continue") == nil }
        return Int64(text).map { $0 > context.registry.hub.revision } ?? false
    }
}
