import KubeAPI

/// ConfigMaps: keys that can be file names, at most 1 MiB, unchangeable once marked so.
struct ConfigMapStrategy: Strategy {
    /// All values together; secrets have the same limit.
    static let maxBytes = 1 << 20

    func validate(_ object: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        var size = 0
        for (key, value) in object["data"].object ?? JSONObject() {
            errors += Self.keyErrors(key, "data")
            if object["binaryData"].object?.contains(key) == true {
                errors.append(.invalid("data[\(key)]", .string(key), "duplicate of key present in binaryData"))
            }
            size += value.stringValue.utf8.count
        }
        for (key, value) in object["binaryData"].object ?? JSONObject() {
            errors += Self.keyErrors(key, "binaryData")
            size += Self.decodedCount(value.stringValue)
        }
        // The empty path stands for the whole object.
        if size > Self.maxBytes { errors.append(.tooLong("", limitBytes: Self.maxBytes)) }
        return errors
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        Self.immutability(object, old: old, ["data", "binaryData"])
    }

    static func keyErrors(_ key: String, _ path: String) -> [FieldError] {
        NameValidation.configMapKey(key).map { .invalid("\(path)[\(key)]", .string(key), $0) }
    }

    /// Bytes that base64 text stands for.
    static func decodedCount(_ text: String) -> Int {
        text.utf8.count / 4 * 3 - text.utf8.reversed().prefix(2).filter { $0 == UInt8(ascii: "=") }.count
    }

    /// What an object that is marked `immutable` must keep.
    static func immutability(_ object: JSON, old: JSON, _ fields: [String]) -> [FieldError] {
        guard old["immutable"].bool == true else { return [] }
        let detail = "field is immutable when `immutable` is set"
        var errors: [FieldError] = []
        if object["immutable"].bool != true { errors.append(.forbidden("immutable", detail)) }
        for field in fields where (object[field].object ?? JSONObject()) != (old[field].object ?? JSONObject()) {
            errors.append(.forbidden(field, detail))
        }
        return errors
    }
}
