import KubeAPI

/// How an object's fields lie in an old version and in v1: read in both directions.
struct FieldTable: Sendable {
    /// What an old object says that the table has no place for, as a path: `desiredState.manifest.containers[0].x`.
    struct NoPlace: Error {
        let path: String
    }

    typealias Translation = @Sendable (JSON) -> JSON?

    struct Field: Sendable {
        /// Paths with dots.
        let old: [String]
        let new: [String]
        var toNew: Translation = { $0 }
        var toOld: Translation = { $0 }
        /// Of the elements of a list.
        var elements: FieldTable?
    }

    var fields: [Field]

    init(_ fields: [Field]) { self.fields = fields }

    /// A field that lies elsewhere; nil as the new path: it is not taken over.
    static func move(_ old: String, _ new: String) -> Field {
        Field(old: split(old), new: split(new))
    }

    /// Fields that lie at the same place.
    static func same(_ names: String...) -> [Field] { names.map { move($0, $0) } }

    static func list(_ old: String, _ new: String, _ elements: FieldTable) -> Field {
        Field(old: split(old), new: split(new), elements: elements)
    }

    /// A field whose value changes, too. Nil: nothing is said.
    static func value(
        _ old: String, _ new: String, toNew: @escaping Translation, toOld: @escaping Translation
    ) -> Field {
        Field(old: split(old), new: split(new), toNew: toNew, toOld: toOld)
    }

    /// Understood and not taken over.
    static func ignored(_ names: String...) -> [Field] {
        names.map { Field(old: split($0), new: [], toNew: { _ in nil }, toOld: { _ in nil }) }
    }

    /// Told, and not taken over: what the server alone decides.
    static func told(_ old: String, _ new: String, _ toOld: @escaping Translation = { $0 }) -> Field {
        Field(old: split(old), new: split(new), toNew: { _ in nil }, toOld: toOld)
    }

    private static func split(_ path: String) -> [String] { path.split(separator: ".").map(String.init) }

    // MARK: use

    func old(_ object: JSON) -> JSON {
        var result = JSON.emptyObject
        for field in fields {
            let value = object.value(at: field.new)
            guard !value.isNull else { continue }
            if let elements = field.elements {
                result.set(.array(value.items.map(elements.old)), at: field.old)
            } else if let translated = field.toOld(value), !translated.isNull {
                result.set(translated, at: field.old)
            }
        }
        return result
    }

    func new(_ object: JSON, prefix: String = "") throws(NoPlace) -> JSON {
        var result = JSON.emptyObject
        var rest = object
        for field in fields {
            let value = rest.value(at: field.old)
            rest.set(.null, at: field.old, isRemoval: true)
            guard !value.isNull else { continue }
            if let elements = field.elements {
                var list: [JSON] = []
                for (index, element) in value.items.enumerated() {
                    list.append(
                        try elements.new(element, prefix: "\(prefix)\(field.old.joined(separator: "."))[\(index)]."))
                }
                result.set(.array(list), at: field.new)
            } else if let translated = field.toNew(value), !translated.isNull, !field.new.isEmpty {
                result.set(translated, at: field.new)
            }
        }
        if let path = rest.firstLeaf { throw NoPlace(path: prefix + path) }
        return result
    }
}

extension JSON {
    fileprivate func value(at path: [String]) -> JSON {
        guard !path.isEmpty else { return .null }
        return path.reduce(self) { $0[$1] }
    }

    /// - Parameter isRemoval: nothing is made on the way.
    fileprivate mutating func set(_ value: JSON, at path: [String], isRemoval: Bool = false) {
        guard let first = path.first else { return }
        if path.count == 1 {
            if !isRemoval || isObject { self[first] = value }
            return
        }
        var inner = self[first]
        if isRemoval, !inner.isObject { return }
        inner.set(value, at: Array(path.dropFirst()), isRemoval: isRemoval)
        self[first] = inner
    }

    /// The path of something that is said; nil where nothing is.
    fileprivate var firstLeaf: String? {
        guard let object else { return nil }
        for (name, value) in object where !value.isNull {
            if let members = value.object {
                if members.isEmpty { continue }
                if let rest = value.firstLeaf { return "\(name).\(rest)" }
                continue
            }
            return name
        }
        return nil
    }
}
