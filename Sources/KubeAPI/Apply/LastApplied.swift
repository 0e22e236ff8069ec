/// The annotation in which kubectl keeps what it applied last where it merges itself (client-side apply).
enum LastApplied {
    static let annotation = "kubectl.kubernetes.io/last-applied-configuration"

    /// The fields that kubectl has set and nobody has changed since. Nil without a usable annotation.
    static func fields(of live: JSON, _ path: ResourcePath, _ schema: Schema) -> FieldSet? {
        guard let text = live["metadata"]["annotations"][annotation].string, !text.isEmpty,
            let applied = try? JSON.parse(text),  // what is no object says nothing
            applied.apiVersion == path.apiVersion,
            let fields = FieldSet(of: applied, schema)
        else { return nil }
        let difference = FieldComparison(applied, live, schema)
        return fields.subtracting(difference.changed).subtracting(difference.removed)
    }

    /// Keeps the annotation true where it is, so that kubectl may go back to merging itself.
    static func renew(in object: inout JSON, _ config: JSON) {
        guard object["metadata"]["annotations"][annotation].string != nil else { return }
        var applied = config
        applied["metadata"]["annotations"][annotation] = .null
        var text = String(decoding: applied.serialized(), as: UTF8.self)
        text += "\n"
        let others = object["metadata"]["annotations"].object ?? JSONObject()
        let sizeBytes = others.reduce(0) { sum, entry in
            entry.key == annotation ? sum : sum + entry.key.utf8.count + entry.value.stringValue.utf8.count
        }
        // One that would not fit is emptied, as Kubernetes does.
        let fits = sizeBytes + annotation.utf8.count + text.utf8.count <= maxAnnotationsBytes
        object["metadata"]["annotations"][annotation] = .string(fits ? text : "")
    }

    /// Of all annotations of an object together.
    private static let maxAnnotationsBytes = 256 << 10
}
