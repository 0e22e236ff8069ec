import KubeAPI
import Synchronization

/// DELETE of a collection: of every object that the selectors choose. Answers with what was deleted.
enum DeleteCollectionHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let options = try DeleteOptions(exchange, context)
        let filter = try resource.filter(exchange.request, exchange.info)
        let limit = max(0, try exchange.request.integer("limit") ?? 0)
        var chosen: [StoredObject] = []
        resource.cache.snapshot().objects.forEach(prefix: filter.keyPrefix) { object in
            if filter.matchesSelectors(object) { chosen.append(object) }
            return limit == 0 || chosen.count < limit
        }
        let tally = Tally(count: chosen.count) { deleted, error in
            if let error { return exchange.fail(error) }
            let metadata: JSON = ["resourceVersion": .string(String(context.registry.hub.revision))]
            exchange.send(ListHandler.body(deleted, metadata, .object, resource))
        }
        for object in chosen {
            Deletion(
                resource: resource, context: context, user: exchange.request.user, key: object.key,
                name: String(object.name), options: options, completion: tally.add
            ).run()
        }
    }

    /// Gathers the outcomes, and reports when all are in.
    private final class Tally: Sendable {
        private struct State {
            var remaining: Int
            var deleted: [StoredObject] = []
            var error: StatusError?
        }
        private let state: Mutex<State>
        private let report: @Sendable ([StoredObject], StatusError?) -> Void

        init(count: Int, _ report: @escaping @Sendable ([StoredObject], StatusError?) -> Void) {
            state = Mutex(State(remaining: count))
            self.report = report
            if count == 0 { report([], nil) }
        }

        func add(_ result: Result<Deletion.Outcome, StatusError>) {
            let finished: State? = state.withLock { state in
                switch result {
                case .success(let outcome): state.deleted.append(outcome.object)
                // Somebody else was faster.
                case .failure(let error) where error.isNotFound: break
                case .failure(let error): state.error = state.error ?? error
                }
                state.remaining -= 1
                return state.remaining == 0 ? state : nil
            }
            guard let finished else { return }
            report(finished.deleted.sorted { $0.key < $1.key }, finished.error)
        }
    }
}
