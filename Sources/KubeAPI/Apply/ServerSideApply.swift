/// Server-side apply: a configuration becomes part of an object, and its author the owner of what it sets
/// (https://kubernetes.io/docs/reference/using-api/server-side-apply/).
public struct ServerSideApply: Sendable {
    /// What is applied, as the client sent it.
    let config: JSON
    let author: ManagedFields.Author
    /// Whether fields are taken from others that have set them to something else.
    let isForced: Bool
    let path: ResourcePath
    let schema: Schema
    /// Fields of the object that this way of writing can't set.
    let ignored: FieldSet

    /// The owner of what an object held before it was first applied.
    private static let beforeFirstApply = "before-first-apply"
    /// Whose configuration kubectl keeps in an annotation where it merges itself.
    private static let kubectl = "kubectl"

    /// Throws where the configuration is not one of the kind.
    public init(
        _ config: JSON, by author: ManagedFields.Author, isForced: Bool, path: ResourcePath, schema: Schema,
        ignoring ignored: Set<String> = []
    ) throws(StatusError) {
        self.author = author
        self.isForced = isForced
        self.path = path
        self.schema = schema
        var fields = JSONObject()
        for name in ignored.sorted() { fields.append(FieldPath.field(name), .emptyObject) }
        self.ignored = FieldSet(root: fields)
        guard config.kind == path.kind, config.apiVersion == path.apiVersion else {
            throw .badRequest("invalid object type: \(Self.groupVersionKind(config))")
        }
        if !config["metadata"]["managedFields"].isNull { throw .badRequest("metadata.managedFields must be nil") }
        let checked = AppliedConfiguration(config, schema)
        guard checked.errors.isEmpty else {
            let why =
                checked.errors.count == 1
                ? checked.errors[0] : "errors:\n" + checked.errors.map { "  \($0)" }.joined(separator: "\n")
            // As in Kubernetes, where nobody has given this error a reason.
            throw StatusError(
                code: 500, reason: "",
                message: "failed to create typed patch object (\(config.namespace)/\(config.name); "
                    + "\(Self.groupVersionKind(config))): \(why)")
        }
        self.config = checked.object
    }

    /// `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`
    private static func groupVersionKind(_ object: JSON) -> String {
        let version = object.apiVersion
        return "\(version.contains("/") ? version : "/\(version)"), Kind=\(object.kind)"
    }

    /// Applies it to an object, or makes one.
    /// - Parameter live: without managed fields; nil where there is no object.
    public func apply(
        to live: JSON?, _ managed: ManagedFields, at time: String
    ) throws(StatusError) -> (object: JSON, managed: ManagedFields) {
        var before = managed
        if before.isEmpty, let live {
            // Who applies must not take away what others have set before anybody kept account.
            let owner = ManagedFields.Author(manager: Self.beforeFirstApply, apiVersion: path.apiVersion)
            before.recordUpdate(from: nil, to: live, by: owner, schema, at: time)
        }
        let base = live ?? ["kind": .string(path.kind), "apiVersion": .string(path.apiVersion), "metadata": [:]]
        var result: (object: JSON, managed: ManagedFields)
        switch attempt(base, before, isForced: isForced) {
        case .success(let applied): result = applied
        case .failure(let conflicts):
            guard author.manager == Self.kubectl, let own = LastApplied.fields(of: base, path, schema) else {
                throw conflicts.error
            }
            // What kubectl has set itself, merging on its side, it does not lose by changing over.
            let others = conflicts.without(own)
            guard others.isEmpty, case .success(let applied) = attempt(base, before, isForced: true) else {
                throw others.error
            }
            result = applied
        }
        if author.manager == Self.kubectl { LastApplied.renew(in: &result.object, config) }
        let isChanged =
            !result.managed.isSame(as: before) || FieldComparison(base, result.object, schema).isEmpty == false
        if isChanged, let entry = result.managed[author] {
            result.managed.set(entry.fields, of: author, time: time)
        }
        result.managed.mergeAncient()
        result.managed.arrange()
        return result
    }

    private func attempt(
        _ live: JSON, _ before: ManagedFields, isForced: Bool
    ) -> Result<(object: JSON, managed: ManagedFields), ApplyConflicts> {
        var managed = before
        let last = before[author]
        let fields = (FieldSet(of: config, schema) ?? FieldSet()).subtractingDeeply(ignored)
        managed.set(fields, of: author, time: last?.time ?? "")
        var object = FieldMerge.merge(config, into: live, schema)
        if let last, !last.fields.isEmpty { object = prune(object, managed, last.fields) }
        let difference = FieldComparison(live, object, schema, ignoring: Set(ignored.names))
        var conflicts = ApplyConflicts()
        for entry in managed.entries where !entry.author.isSame(as: author) {
            conflicts.add(entry.author, entry.fields.intersection(difference.changed))
        }
        if !isForced, !conflicts.isEmpty { return .failure(conflicts) }
        let lost = difference.changed.union(difference.removed)
        let author = author
        managed.changeSets { entry in
            if entry.author.isSame(as: author) {
                entry.fields = entry.fields.withoutIdentity
            } else {
                entry.fields = entry.fields.subtracting(lost)
            }
        }
        return .success((object, managed))
    }

    /// Removes what the author applied last time and does not now, with all that it holds, unless somebody owns it or
    /// something in it.
    private func prune(_ merged: JSON, _ managed: ManagedFields, _ last: FieldSet) -> JSON {
        var owned = Self.identity
        for entry in managed.entries { owned = owned.union(entry.fields) }
        let gone = last.withNamedFields(schema).subtracting(owned.withAncestors)
        return FieldRemoval.remove(gone, from: merged, schema)
    }

    /// An object keeps its metadata, whatever is in it.
    private static let identity: FieldSet = {
        var root = JSONObject()
        root.append(FieldPath.field("metadata"), .emptyObject)
        return FieldSet(root: root)
    }()
}

extension FieldSet {
    /// The fields of the object itself.
    var names: [String] { root.names.map { String($0.dropFirst(2)) } }

    /// Without what nobody owns.
    var withoutIdentity: FieldSet { subtracting(Self.identity) }

    private static let identity: FieldSet = {
        var metadata = JSONObject.node(isMember: true)
        for name in FieldComparison.unowned.sorted() { metadata.append(FieldPath.field(name), .emptyObject) }
        var root = JSONObject()
        for name in ["apiVersion", "kind"] { root.append(FieldPath.field(name), .emptyObject) }
        root.append(FieldPath.field("metadata"), .object(metadata))
        return FieldSet(root: root)
    }()
}
