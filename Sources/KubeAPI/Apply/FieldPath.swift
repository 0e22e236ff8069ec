/// The elements of paths in field sets, and how messages print them.
enum FieldPath {
    /// `f:replicas`
    static func field(_ name: String) -> String { "f:" + name }

    /// `v:"value"`: an element of a list that is a set.
    static func value(_ value: JSON) -> String { "v:" + String(decoding: value.serialized(), as: UTF8.self) }

    /// `k:{"containerPort":80,"protocol":"TCP"}`: an element of a list with keys, which are in alphabetical order. Nil
    /// where it lacks one that has no default.
    static func key(_ element: JSON, _ keys: [String], _ schema: Schema) -> String? {
        guard let members = element.object else { return nil }
        var text = "k:{"
        for name in keys {
            let value: JSON
            if let own = members[name], !own.isNull {
                value = own
            } else {
                guard let fallback = schema.field(name)?.defaultValue, !fallback.isNull else { return nil }
                value = fallback
            }
            text += text.utf8.count == 3 ? "\"" : ",\""
            text += name
            text += "\":"
            text += String(decoding: value.serialized(), as: UTF8.self)
        }
        text += "}"
        return text
    }

    /// `.replicas`, `[name="web"]`, `[="value"]`, `[2]`: an element as messages have it.
    static func text(_ element: String) -> String {
        let rest = String(element.dropFirst(2))
        switch element.utf8.first {
        case UInt8(ascii: "k"):
            guard let members = (try? JSON.parse(rest))?.object else { return "[\(rest)]" }  // no key: shown as it is
            return "[" + members.map { "\($0.key)=\($0.value.printed)" }.joined(separator: ",") + "]"
        case UInt8(ascii: "v"): return "[=\(rest)]"
        case UInt8(ascii: "i"): return "[\(rest)]"
        default: return ".\(rest)"
        }
    }

    /// Fields come before keys, these before values and indices, each by name.
    static func precedes(_ left: String, _ right: String) -> Bool {
        let ranks = (rank(left), rank(right))
        return ranks.0 == ranks.1 ? left < right : ranks.0 < ranks.1
    }

    private static func rank(_ element: String) -> Int {
        switch element.utf8.first {
        case UInt8(ascii: "f"): 0
        case UInt8(ascii: "k"): 1
        case UInt8(ascii: "v"): 2
        default: 3
        }
    }
}

extension FieldSet {
    /// The members as messages print them: `.spec.containers[name="web"].image`, in Kubernetes' order.
    var paths: [String] {
        var paths: [String] = []
        Self.collect(root, "", &paths)
        return paths
    }

    /// The members of a level come before what is below any of them.
    private static func collect(_ node: JSONObject, _ prefix: String, _ paths: inout [String]) {
        let names = node.names.filter { $0 != selfName }.sorted(by: FieldPath.precedes)
        for name in names where node[name]?.fieldNode.isMember == true { paths.append(prefix + FieldPath.text(name)) }
        for name in names {
            guard let below = node[name]?.fieldNode, !below.isEmpty else { continue }
            collect(below, prefix + FieldPath.text(name), &paths)
        }
    }
}
