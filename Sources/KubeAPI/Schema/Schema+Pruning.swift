extension Schema {
    /// Strict decoding names at most so many unknown fields, as Kubernetes' does.
    static let maxUnknownFields = 100

    /// Removes members that the schema does not know, everywhere.
    /// - Returns: their paths as strict decoding prints them: `spec.containers[0].imagee`; the first 100 of them.
    public func prune(_ value: inout JSON) -> [String] {
        var unknown: [String] = []
        prune(&value, path: "", &unknown)
        return unknown
    }

    private func prune(_ value: inout JSON, path: String, _ unknown: inout [String]) {
        guard case .object(var object) = value else { return }
        value = .null  // gives up the reference, so that members change in place
        var hasUnknown = false
        for position in object.members.indices {
            let name = object.members[position].key
            guard let field = field(name) else {
                hasUnknown = true
                if unknown.count < Self.maxUnknownFields { unknown.append(Self.path(path, name)) }
                continue
            }
            guard let schema = field.schema else { continue }
            switch (field.shape, object.members[position].value) {
            case (.single, .object):
                schema.prune(&object.members[position].value, path: Self.path(path, name), &unknown)
            case (.list, .array(var elements)):
                object.members[position].value = .null
                let path = Self.path(path, name)
                for index in elements.indices { schema.prune(&elements[index], path: "\(path)[\(index)]", &unknown) }
                object.members[position].value = .array(elements)
            case (.map, .object(var entries)):
                object.members[position].value = .null
                let path = Self.path(path, name)
                entries.mutateValues { key, entry in schema.prune(&entry, path: "\(path).\(key)", &unknown) }
                object.members[position].value = .object(entries)
            default:
                continue
            }
        }
        if hasUnknown { object.removeAll { field($0.key) == nil } }
        value = .object(object)
    }

    private static func path(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}
