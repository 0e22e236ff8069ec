import KubeAPI

/// Which objects of a resource a list or watch asks for.
struct ObjectFilter: Sendable {
    /// Empty: all namespaces.
    var namespace = ""
    /// From the path or `metadata.name=`; empty: all.
    var name = ""
    var labels: LabelSelector?
    var fields: FieldSelector?
    /// The paths that `ObjectFacts.fields` holds, in its order.
    var fieldPaths: [String] = []

    /// What keys begin with.
    var keyPrefix: String { namespace.isEmpty ? "" : namespace + "/" }

    /// Whether anything but the namespace narrows the choice.
    var isSelective: Bool { !name.isEmpty || labels != nil || fields != nil }

    func matches(_ object: StoredObject) -> Bool {
        if !namespace.isEmpty && object.namespace != namespace { return false }
        return matchesSelectors(object)
    }

    /// For objects that are known to be of the namespace.
    func matchesSelectors(_ object: StoredObject) -> Bool {
        if !name.isEmpty && object.name != name { return false }
        if let labels, !labels.matches(object.facts.labels) { return false }
        if let fields {
            return fields.matches { path in
                switch path {
                case "metadata.name": return String(object.name)
                case "metadata.namespace": return String(object.namespace)
                default:
                    guard let index = fieldPaths.firstIndex(of: path), index < object.facts.fields.count else {
                        return ""
                    }
                    return object.facts.fields[index]
                }
            }
        }
        return true
    }
}
