import KubeAPI

/// Secrets: `stringData` is folded into `data`; types require their keys.
struct SecretStrategy: Strategy {
    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        Self.foldStringData(&object)
    }

    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        Self.foldStringData(&object)
        if object["type"].stringValue.isEmpty { object["type"] = old["type"] }
    }

    private static func foldStringData(_ object: inout JSON) {
        guard let plain = object["stringData"].object else { return }
        for (key, value) in plain { object["data"][key] = .string(Base64.encode(Array(value.stringValue.utf8))) }
        object["stringData"] = .null
    }

    func validate(_ object: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        let data = object["data"].object ?? JSONObject()
        var size = 0
        for (key, value) in data {
            errors += ConfigMapStrategy.keyErrors(key, "data")
            size += ConfigMapStrategy.decodedCount(value.stringValue)
        }
        if size > ConfigMapStrategy.maxBytes { errors.append(.tooLong("data", limitBytes: ConfigMapStrategy.maxBytes)) }
        func required(_ key: String) -> FieldError { .required("data[\(key)]") }
        switch object["type"].stringValue {
        case "kubernetes.io/service-account-token":
            let annotation = "kubernetes.io/service-account.name"
            if (object.annotations[annotation] ?? "").isEmpty {
                errors.append(.required("metadata.annotations[\(annotation)]"))
            }
        case "kubernetes.io/dockercfg": errors += registryConfig(data, ".dockercfg")
        case "kubernetes.io/dockerconfigjson": errors += registryConfig(data, ".dockerconfigjson")
        case "kubernetes.io/basic-auth":
            if !data.contains("username"), !data.contains("password") {
                errors += [required("username"), required("password")]
            }
        case "kubernetes.io/ssh-auth":
            if (data["ssh-privatekey"]?.stringValue ?? "").isEmpty { errors.append(required("ssh-privatekey")) }
        case "kubernetes.io/tls":
            errors += ["tls.crt", "tls.key"].filter { !data.contains($0) }.map(required)
        default: break
        }
        return errors
    }

    private func registryConfig(_ data: JSONObject, _ key: String) -> [FieldError] {
        guard let text = data[key]?.string else { return [.required("data[\(key)]")] }
        let why: String
        do {
            if try JSON.parse(Base64.decode(text) ?? []).isObject { return [] }
            why = "json: cannot unmarshal into Go value of type map[string]interface {}"
        } catch {
            why = "\(error)"
        }
        return [.invalid("data[\(key)]", "<secret contents redacted>", why)]
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        var errors: [FieldError] = []
        if object["type"] != old["type"] { errors.append(.immutable("type", object["type"])) }
        return errors + ConfigMapStrategy.immutability(object, old: old, ["data"])
    }
}
