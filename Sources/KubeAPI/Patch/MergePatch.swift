/// JSON Merge Patch (RFC 7386).
public enum MergePatch {
    /// The target with the patch merged into it: members that are null in the patch are removed, objects merged, all
    /// else replaced.
    public static func apply(_ patch: JSON, to target: JSON) -> JSON {
        var result = target
        merge(patch, into: &result)
        return result
    }

    private static func merge(_ patch: JSON, into target: inout JSON) {
        guard case .object(let changes) = patch else {
            target = patch
            return
        }
        var object = JSONObject()
        if case .object(let existing) = target { object = existing }
        target = .null  // gives up the reference, so that members change in place
        var hasRemovals = false
        for (name, change) in changes {
            if change.isNull {
                guard let position = object.position(of: name) else { continue }
                object.members[position].value = .null
                hasRemovals = true
            } else {
                let position = object.positionMakingNull(name)
                merge(change, into: &object.members[position].value)
            }
        }
        // Removed in one pass, which stays linear for large maps. Nulls that the patch does not name survive.
        if hasRemovals { object.removeAll { $0.value.isNull && changes[$0.key]?.isNull == true } }
        target = .object(object)
    }
}
