/// The one door through which components talk to each other: the Kubernetes API, in process or over HTTPS.
///
/// Implementations carry bytes; everything typed is an extension on top, so that both transports behave alike.
public protocol APIClient: Sendable {
    /// Sends a request and waits for the whole answer. Throws only when there is none (`APIConnectionError`); an
    /// answer with an error status is returned.
    func send(_ request: APIRequest) async throws -> APIResponse

    /// Opens a watch (or another line stream) and yields one element per line, without the newline. An answer other
    /// than 200 is thrown as `StatusError`. The stream ends when the server ends it; cancelling the consuming task
    /// closes it.
    func lines(_ request: APIRequest) async throws -> AsyncThrowingStream<[UInt8], any Error>
}

/// The API server could not be asked, or went away before it answered.
public struct APIConnectionError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// A resource's place in the API: `GroupResource.pods` is served under `/api/v1/…/pods`.
public struct ResourcePath: Hashable, Sendable, CustomStringConvertible {
    /// Empty for the core group.
    public let group: String
    public let version: String
    /// Plural, lower case.
    public let resource: String
    public let kind: String
    public let isNamespaced: Bool

    public init(group: String = "", version: String = "v1", resource: String, kind: String, isNamespaced: Bool = true) {
        self.group = group
        self.version = version
        self.resource = resource
        self.kind = kind
        self.isNamespaced = isNamespaced
    }

    /// `v1` or `apps/v1`.
    public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }
    public var description: String { group.isEmpty ? resource : "\(resource).\(group)" }

    /// The request path of the collection (name nil) or of one object.
    public func path(namespace: String? = nil, name: String? = nil, subresource: String? = nil) -> String {
        var path = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        if isNamespaced, let namespace { path += "/namespaces/\(namespace)" }
        path += "/\(resource)"
        if let name { path += "/\(name)" }
        if let subresource { path += "/\(subresource)" }
        return path
    }

    public static let nodeMetrics = ResourcePath(
        group: "metrics.k8s.io", version: "v1beta1", resource: "nodes", kind: "NodeMetrics", isNamespaced: false)
    public static let podMetrics = ResourcePath(
        group: "metrics.k8s.io", version: "v1beta1", resource: "pods", kind: "PodMetrics")
    public static let pods = ResourcePath(resource: "pods", kind: "Pod")
    public static let nodes = ResourcePath(resource: "nodes", kind: "Node", isNamespaced: false)
    public static let services = ResourcePath(resource: "services", kind: "Service")
    public static let endpoints = ResourcePath(resource: "endpoints", kind: "Endpoints")
    public static let endpointSlices = ResourcePath(
        group: "discovery.k8s.io", resource: "endpointslices", kind: "EndpointSlice")
    public static let replicationControllers = ResourcePath(
        resource: "replicationcontrollers", kind: "ReplicationController")
    public static let replicaSets = ResourcePath(group: "apps", resource: "replicasets", kind: "ReplicaSet")
    public static let deployments = ResourcePath(group: "apps", resource: "deployments", kind: "Deployment")
    public static let daemonSets = ResourcePath(group: "apps", resource: "daemonsets", kind: "DaemonSet")
    public static let controllerRevisions = ResourcePath(
        group: "apps", resource: "controllerrevisions", kind: "ControllerRevision")
    public static let jobs = ResourcePath(group: "batch", resource: "jobs", kind: "Job")
    public static let namespaces = ResourcePath(resource: "namespaces", kind: "Namespace", isNamespaced: false)
    public static let configMaps = ResourcePath(resource: "configmaps", kind: "ConfigMap")
    public static let secrets = ResourcePath(resource: "secrets", kind: "Secret")
    public static let serviceAccounts = ResourcePath(resource: "serviceaccounts", kind: "ServiceAccount")
    public static let events = ResourcePath(resource: "events", kind: "Event")
    public static let roles = rbac("roles", "Role")
    public static let roleBindings = rbac("rolebindings", "RoleBinding")
    public static let clusterRoles = rbac("clusterroles", "ClusterRole", isNamespaced: false)
    public static let clusterRoleBindings = rbac("clusterrolebindings", "ClusterRoleBinding", isNamespaced: false)
    public static let leases = ResourcePath(group: "coordination.k8s.io", resource: "leases", kind: "Lease")

    private static func rbac(_ resource: String, _ kind: String, isNamespaced: Bool = true) -> ResourcePath {
        ResourcePath(
            group: "rbac.authorization.k8s.io", resource: resource, kind: kind, isNamespaced: isNamespaced)
    }
}

/// The forms of PATCH (Kubernetes API conventions).
public enum PatchType: String, Sendable {
    case json = "application/json-patch+json"
    case merge = "application/merge-patch+json"
    case strategic = "application/strategic-merge-patch+json"
    case apply = "application/apply-patch+yaml"
}

/// Options of list and watch, by their names in the query.
public struct ListOptions: Sendable {
    public var labelSelector: String?
    public var fieldSelector: String?
    public var resourceVersion: String?
    public var allowWatchBookmarks = false
    public var timeoutSeconds: Int?
    /// Not told to the server: its answers are read without `metadata.managedFields`.
    public var leavesOutManagedFields = false

    public init(
        labelSelector: String? = nil, fieldSelector: String? = nil, resourceVersion: String? = nil,
        allowWatchBookmarks: Bool = false, timeoutSeconds: Int? = nil, leavesOutManagedFields: Bool = false
    ) {
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.resourceVersion = resourceVersion
        self.allowWatchBookmarks = allowWatchBookmarks
        self.timeoutSeconds = timeoutSeconds
        self.leavesOutManagedFields = leavesOutManagedFields
    }

    var query: [(name: String, value: String)] {
        var query: [(name: String, value: String)] = []
        if let labelSelector { query.append(("labelSelector", labelSelector)) }
        if let fieldSelector { query.append(("fieldSelector", fieldSelector)) }
        if let resourceVersion { query.append(("resourceVersion", resourceVersion)) }
        if allowWatchBookmarks { query.append(("allowWatchBookmarks", "true")) }
        if let timeoutSeconds { query.append(("timeoutSeconds", String(timeoutSeconds))) }
        return query
    }
}

/// One event of a watch.
public struct WatchEvent: Sendable {
    public enum Kind: String, Sendable {
        case added = "ADDED", modified = "MODIFIED", deleted = "DELETED", bookmark = "BOOKMARK", error = "ERROR"
    }
    public let kind: Kind
    public let object: JSON
    public init(kind: Kind, object: JSON) {
        self.kind = kind
        self.object = object
    }
}

/// Makes events of a watch's lines. For one reader at a time, as the stream that it feeds has.
private final class WatchReader: @unchecked Sendable {
    private var lines: AsyncThrowingStream<[UInt8], any Error>.AsyncIterator
    private let leavesOutManagedFields: Bool

    init(_ lines: AsyncThrowingStream<[UInt8], any Error>, leavesOutManagedFields: Bool) {
        self.lines = lines.makeAsyncIterator()
        self.leavesOutManagedFields = leavesOutManagedFields
    }

    /// Events of kinds that are not known are skipped.
    func next() async throws -> WatchEvent? {
        while let line = try await lines.next() {
            let event =
                leavesOutManagedFields
                ? try JSON.parse(line, leavingOutManagedFieldsIn: .event) : try JSON.parse(line)
            guard let kind = WatchEvent.Kind(rawValue: event["type"].stringValue) else { continue }
            if kind == .error { throw StatusError(status: event["object"]) }
            return WatchEvent(kind: kind, object: event["object"])
        }
        return nil
    }
}

extension APIClient {
    /// Reads one object. Throws `StatusError` (404 `NotFound` and its like).
    public func get(_ resource: ResourcePath, namespace: String? = nil, name: String, subresource: String? = nil)
        async throws -> JSON
    {
        try await call(APIRequest(.get, resource.path(namespace: namespace, name: name, subresource: subresource)))
    }

    /// Reads a collection; the result is the List object, with `metadata.resourceVersion` to watch from.
    public func list(_ resource: ResourcePath, namespace: String? = nil, options: ListOptions = ListOptions())
        async throws -> JSON
    {
        let request = APIRequest(.get, resource.path(namespace: namespace), query: options.query)
        return try await call(request, without: options.leavesOutManagedFields ? .list : nil)
    }

    /// Watches a collection. An `ERROR` event is thrown as `StatusError` (410 `Expired`: list again).
    public func watch(_ resource: ResourcePath, namespace: String? = nil, options: ListOptions)
        async throws -> AsyncThrowingStream<WatchEvent, any Error>
    {
        let request = APIRequest(
            .get, resource.path(namespace: namespace), query: options.query + [("watch", "true")])
        let reader = WatchReader(try await lines(request), leavesOutManagedFields: options.leavesOutManagedFields)
        return AsyncThrowingStream { try await reader.next() }
    }

    /// Creates an object (or posts to a subresource such as `binding`); the result is the object as stored.
    @discardableResult
    public func create(
        _ resource: ResourcePath, namespace: String? = nil, name: String? = nil, subresource: String? = nil,
        _ object: JSON
    ) async throws -> JSON {
        try await call(
            APIRequest(
                .post, resource.path(namespace: namespace, name: name, subresource: subresource),
                contentType: "application/json", body: object.serialized()))
    }

    /// Replaces an object, guarded by its `metadata.resourceVersion` where it has one (409 `Conflict`).
    @discardableResult
    public func update(_ resource: ResourcePath, subresource: String? = nil, _ object: JSON) async throws -> JSON {
        let metadata = object["metadata"]
        return try await call(
            APIRequest(
                .put,
                resource.path(
                    namespace: metadata["namespace"].string, name: metadata["name"].stringValue,
                    subresource: subresource),
                contentType: "application/json", body: object.serialized()))
    }

    @discardableResult
    public func patch(
        _ resource: ResourcePath, namespace: String? = nil, name: String, subresource: String? = nil,
        type: PatchType = .merge, _ patch: JSON
    ) async throws -> JSON {
        try await call(
            APIRequest(
                .patch, resource.path(namespace: namespace, name: name, subresource: subresource),
                contentType: type.rawValue, body: patch.serialized()))
    }

    /// Deletes an object. `options` is a DeleteOptions body (gracePeriodSeconds, preconditions, propagationPolicy).
    @discardableResult
    public func delete(_ resource: ResourcePath, namespace: String? = nil, name: String, options: JSON = .null)
        async throws -> JSON
    {
        try await call(
            APIRequest(
                .delete, resource.path(namespace: namespace, name: name),
                contentType: "application/json", body: options.isNull ? [] : options.serialized()))
    }

    /// Sends and turns an answer with an error status into `StatusError`.
    public func call(_ request: APIRequest) async throws -> JSON { try await call(request, without: nil) }

    /// - Parameter place: where managed fields are to be left out.
    private func call(_ request: APIRequest, without place: JSON.ObjectPlace?) async throws -> JSON {
        let response = try await send(request)
        let body: JSON
        if let place {
            body = try JSON.parse(response.body, leavingOutManagedFieldsIn: place)
        } else {
            body = try JSON.parse(response.body)
        }
        guard (200..<300).contains(response.status) else { throw StatusError(status: body, code: response.status) }
        return body
    }
}
