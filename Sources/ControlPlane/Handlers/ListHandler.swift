import KubeAPI

/// GET of a collection, from the cache, whole or in pieces, as of now or as of an earlier revision.
///
/// A write is answered only after the cache has it, so that a list without resource version sees everything that was
/// answered before it (design.md §5).
enum ListHandler {
    static func handle(_ exchange: Exchange, _ resource: ServedResource, _ context: ServerContext) throws(StatusError) {
        let representation = try Representation.negotiate(exchange.request)
        let query = try ListQuery(exchange, isWatch: false)
        let filter = try resource.filter(exchange.request, exchange.info)
        let (objects, revision) = try source(query, resource, context)
        let page = Page(objects, filter, query)
        send(page, revision, representation, exchange, resource)
    }

    /// The objects to choose from and the revision that they are as of.
    private static func source(
        _ query: ListQuery, _ resource: ServedResource, _ context: ServerContext
    ) throws(StatusError) -> (SortedObjects, Int64) {
        // Read before the objects: all that was published up to it is in them.
        let published = context.registry.hub.revision
        if let position = query.position, let revision = position.revision {
            guard let objects = resource.cache.snapshot(at: revision) else { throw expired(position) }
            return (objects, revision)
        }
        if let revision = query.revision, revision > 0 {
            try ListQuery.checkReached(revision, published)
            // A limit asks for one state to page through; that is what Kubernetes has done ever since.
            if query.match == .exact || query.match == nil && query.limit > 0 {
                guard let objects = resource.cache.snapshot(at: revision) else {
                    throw .expired("The resourceVersion for the provided list is too old.")
                }
                return (objects, revision)
            }
        }
        let (objects, revision) = resource.cache.snapshot()
        return (objects, max(published, revision))
    }

    private static func expired(_ position: ContinueToken) -> StatusError {
        var error = StatusError.expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
                + "without the continue parameter, or use the continue token in this response to retrieve the remainder "
                + "of the results. Continuing with the provided token results in an inconsistent list - objects that "
                + "were created, modified, or deleted between the time the first chunk was returned and now may show up "
                + "in the list.")
        error.metadata = ["continue": .string(ContinueToken(revision: nil, key: position.key).text)]
        return error
    }

    /// The objects of one answer.
    private struct Page {
        var objects: [StoredObject] = []
        /// The key to go on after; nil at the end.
        var lastKey: String?
        /// Known only where nothing is selected, as in Kubernetes.
        var remaining: Int?

        init(_ all: SortedObjects, _ filter: ObjectFilter, _ query: ListQuery) {
            let prefix = filter.keyPrefix
            let isSelective = filter.isSelective
            var found: [StoredObject] = []
            if query.limit > 0 {
                found.reserveCapacity(min(query.limit, all.count))
            } else if !isSelective {
                found.reserveCapacity(all.count)
            }
            var hasMore = false
            all.forEach(prefix: prefix, after: query.position?.key) { object in
                if isSelective, !filter.matchesSelectors(object) { return true }
                if query.limit > 0, found.count == query.limit {
                    hasMore = true
                    return false
                }
                found.append(object)
                return true
            }
            objects = found
            guard hasMore, let last = found.last else { return }
            lastKey = last.key
            if !isSelective { remaining = all.count(prefix: prefix, after: last.key) }
        }
    }

    private static func send(
        _ page: Page, _ revision: Int64, _ representation: Representation, _ exchange: Exchange,
        _ resource: ServedResource
    ) {
        var metadata: JSON = ["resourceVersion": .string(String(revision))]
        if let key = page.lastKey { metadata["continue"] = .string(ContinueToken(revision: revision, key: key).text) }
        metadata["remainingItemCount"] = JSON(page.remaining)
        if case .table(let include) = representation {
            exchange.send(
                TablePrinter.table(
                    type: resource.type, objects: page.objects.map(\.tree), metadata: metadata,
                    include: TablePrinter.IncludedObject(include)))
            return
        }
        exchange.send(body(page.objects, metadata, representation, resource))
    }

    /// A List document around the stored bytes.
    static func body(
        _ objects: [StoredObject], _ metadata: JSON, _ representation: Representation, _ resource: ServedResource
    ) -> [UInt8] {
        let isPartial = representation == .partialMetadata
        var body: [UInt8] = []
        body.reserveCapacity(objects.reduce(256) { $0 + $1.bytes.count + 32 })
        body.append(contentsOf: #"{"kind":""#.utf8)
        body.append(contentsOf: (isPartial ? "PartialObjectMetadata" : resource.kind).utf8)
        body.append(contentsOf: #"List","apiVersion":""#.utf8)
        body.append(contentsOf: (isPartial ? "meta.k8s.io/v1" : resource.type.path.apiVersion).utf8)
        body.append(contentsOf: #"","metadata":"#.utf8)
        metadata.write(into: &body)
        body.append(contentsOf: #","items":["#.utf8)
        var isFirst = true
        for object in objects {
            if !isFirst { body.append(UInt8(ascii: ",")) }
            isFirst = false
            if isPartial { object.writePartialMetadata(into: &body) } else { object.writeItem(into: &body) }
        }
        body.append(contentsOf: "]}\n".utf8)
        return body
    }
}
