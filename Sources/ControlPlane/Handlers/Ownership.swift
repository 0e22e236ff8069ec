import KubeAPI

/// How a write counts for `metadata.managedFields`.
enum Ownership: Sendable {
    /// Not at all.
    case untracked
    /// Its author owns what it changes.
    case updated(by: ManagedFields.Author)
    /// It has been decided already: the object comes with its managed fields.
    case applied

    /// The managed fields of an object that is about to be made, which are taken out of it. Asked before anything that
    /// the client did not send is written in, but for defaults, as in Kubernetes.
    func ofNew(_ object: inout JSON, _ resource: ServedResource) -> JSON {
        let sent = object.takeManagedFields()
        switch self {
        case .untracked: return .null
        case .applied: return sent
        case .updated(let author):
            var submitted = object
            resource.type.schema.applyDefaults(&submitted)
            var managed = ManagedFields()
            managed.recordUpdate(
                from: nil, to: submitted, by: author, resource.type.schema, ignoring: resource.ignoredFields(""),
                at: Timestamp.now().rfc3339)
            return managed.json
        }
    }

    /// The managed fields after a change. Both states come without them.
    /// - Parameter sent: what the new state brought along.
    /// - Parameter isObject: whether the object itself is written, and not through a subresource, by which nobody can
    ///   set managed fields.
    func after(
        change: (old: JSON, new: JSON), of resource: ServedResource, owners: JSON, sent: JSON, isObject: Bool
    ) -> JSON {
        switch self {
        case .untracked: return owners
        case .applied: return sent
        case .updated(let author):
            let isSent = isObject && !sent.isNull && sent != owners
            if !isSent, change.old == change.new { return owners }
            var managed = ManagedFields(owners) ?? ManagedFields()
            if isSent {
                // What can't be read, or is empty, comes from a client that does not know the field.
                if sent.resetsManagedFields {
                    managed = ManagedFields()
                } else if let wanted = ManagedFields(sent), !wanted.isEmpty {
                    managed = wanted
                }
            }
            managed.recordUpdate(
                from: change.old, to: change.new, by: author, resource.type.schema, at: Timestamp.now().rfc3339)
            return managed.json
        }
    }

    /// Whether both say the same but for times.
    static func isSame(_ left: JSON, _ right: JSON) -> Bool {
        if left == right { return true }
        guard let left = ManagedFields(left), let right = ManagedFields(right) else { return false }
        return left.isSame(as: right)
    }
}

extension ServedResource {
    /// The fields that can't be set through a subresource, or (empty) through the object itself.
    func ignoredFields(_ subresource: String) -> Set<String> {
        guard type.hasSubresource("status") else { return [] }
        guard subresource == "status" else { return ["status"] }
        return Set(type.schema.fields.map(\.name)).subtracting(["kind", "apiVersion", "metadata", "status"])
    }
}

extension Exchange {
    /// Whoever makes an object by another verb than create must be allowed to create.
    func authorizeCreation(_ context: ServerContext) throws(StatusError) {
        try context.authorizer.check(AccessRequest(self, verb: "create"))
    }
}
