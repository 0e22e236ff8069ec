extension ManagedFields {
    /// Records a write that is not applied: its author owns what it changed, and nobody else does any more.
    ///
    /// An object that exists and of which nobody owns anything stays so: it was made before ownership was kept, or a
    /// client has cleared it.
    /// - Parameter old: nil for an object that is new.
    /// - Parameter ignored: fields that this write can't set.
    public mutating func recordUpdate(
        from old: JSON?, to new: JSON, by author: Author, _ schema: Schema, ignoring ignored: Set<String> = [],
        at time: String
    ) {
        if old != nil, isEmpty { return }
        let difference = FieldComparison(old ?? ["metadata": [:]], new, schema, ignoring: ignored)
        if difference.isEmpty { return }
        record(difference, by: author, at: time)
        mergeAncient()
        arrange()
    }

    mutating func record(_ difference: FieldComparison, by author: Author, at time: String) {
        let lost = difference.changed.union(difference.removed)
        changeSets { entry in
            entry.fields = entry.fields.subtracting(
                entry.author.isSame(as: author) ? difference.removed : lost)
        }
        guard !difference.changed.isEmpty else { return }
        set((self[author]?.fields ?? FieldSet()).union(difference.changed), of: author, time: time)
    }
}
