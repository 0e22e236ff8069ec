/// Fields that others own and that an applied configuration would change.
struct ApplyConflicts: Error {
    private var byOwner: [(owner: ManagedFields.Author, fields: FieldSet)] = []

    var isEmpty: Bool { byOwner.isEmpty }

    mutating func add(_ owner: ManagedFields.Author, _ fields: FieldSet) {
        if !fields.isEmpty { byOwner.append((owner, fields)) }
    }

    /// Those that are left where some fields are no matter of dispute.
    func without(_ fields: FieldSet) -> ApplyConflicts {
        var rest = ApplyConflicts()
        for (owner, own) in byOwner { rest.add(owner, own.subtracting(fields)) }
        return rest
    }

    /// 409, in the words that kubectl prints before it explains what to do.
    var error: StatusError {
        let owners = byOwner.sorted { $0.owner.manager < $1.owner.manager }
            .map { (name: Self.text($0.owner), paths: $0.fields.paths) }
        let count = owners.reduce(0) { $0 + $1.paths.count }
        var message = "Apply failed with \(count) conflict"
        if count == 1 {
            message += ": conflict with \(owners[0].name): \(owners[0].paths[0])"
        } else {
            message += "s: "
            message += owners.map { owner in
                (["conflicts with \(owner.name):"] + owner.paths.map { "- \($0)" }).joined(separator: "\n")
            }.joined(separator: "\n")
        }
        let causes = owners.flatMap { owner in
            owner.paths.map { path -> JSON in
                [
                    "reason": "FieldManagerConflict", "message": .string("conflict with \(owner.name)"),
                    "field": .string(path),
                ]
            }
        }
        return StatusError(code: 409, reason: "Conflict", message: message, details: ["causes": .array(causes)])
    }

    /// `"kubectl-scale" with subresource "scale" using apps/v1`
    private static func text(_ owner: ManagedFields.Author) -> String {
        var text = JSON.string(owner.manager).printed
        if !owner.subresource.isEmpty { text += " with subresource \(JSON.string(owner.subresource).printed)" }
        if !owner.isApplier { text += " using \(owner.apiVersion)" }
        return text
    }
}
