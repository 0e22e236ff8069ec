import KubeAPI

/// A file of a volume that the API gives.
struct VolumeFile: Sendable, Equatable {
    var bytes: [UInt8]
    var mode: UInt32
}

/// The files of a configMap, secret, downwardAPI or projected volume, by their paths in it.
struct VolumeContent {
    let pod: Pod
    /// For fields of the pod; `podIPs` may be empty while there is no sandbox.
    let environment: EnvironmentSource
    /// The objects that the pod names: nil for one that the API does not have.
    let objects: [ObjectReference: JSON?]
    var tokens: [TokenRequest: String] = [:]

    static let defaultMode = 0o644

    /// Throws `ContainerConfigError` with the cause.
    func files(of volume: Volume) throws -> [String: VolumeFile] {
        let source = volume.source
        let mode = try Self.mode(source["defaultMode"], Self.defaultMode)
        switch volume.sourceType {
        case "configMap": return try configMap(source, name: source["name"].stringValue, mode)
        case "secret": return try secret(source, name: source["secretName"].stringValue, mode)
        case "downwardAPI": return try downward(source, mode)
        case "projected": return try projected(source, mode)
        default: throw ContainerConfigError("volume type \(volume.sourceType) has no content of its own")
        }
    }

    private func projected(_ source: JSON, _ mode: UInt32) throws -> [String: VolumeFile] {
        var files: [String: VolumeFile] = [:]
        for part in source["sources"].items {
            let own: [String: VolumeFile]
            if part["configMap"].isObject {
                own = try configMap(part["configMap"], name: part["configMap"]["name"].stringValue, mode)
            } else if part["secret"].isObject {
                own = try secret(part["secret"], name: part["secret"]["name"].stringValue, mode)
            } else if part["downwardAPI"].isObject {
                own = try downward(part["downwardAPI"], mode)
            } else if part["serviceAccountToken"].isObject {
                own = try token(part["serviceAccountToken"], mode)
            } else {
                let kind = part.object?.names.first ?? "empty"
                throw ContainerConfigError("projected source \(kind) is not supported yet")
            }
            files.merge(own) { _, last in last }
        }
        return files
    }

    private func token(_ source: JSON, _ mode: UInt32) throws -> [String: VolumeFile] {
        guard let token = tokens[TokenRequest(source, of: pod)] else {
            throw ContainerConfigError("there is no token for service account \(pod.serviceAccountName)")
        }
        // With a group of its own the volume is readable to that, and to nobody else.
        let isShared = pod.spec["securityContext"]["fsGroup"].int == nil
        return [
            source["path"].stringValue: VolumeFile(bytes: Array(token.utf8), mode: isShared ? mode : 0o600)
        ]
    }

    private func object(_ resource: ResourcePath, _ name: String, isOptional: Bool) throws -> JSON? {
        let reference = ObjectReference(resource: resource, namespace: pod.namespace, name: name)
        guard let object = objects[reference] ?? nil else {
            if isOptional { return nil }
            throw ContainerConfigError(reference.notFound)
        }
        return object
    }

    private func configMap(_ source: JSON, name: String, _ mode: UInt32) throws -> [String: VolumeFile] {
        let isOptional = source["optional"].bool ?? false
        guard let object = try object(.configMaps, name, isOptional: isOptional) else { return [:] }
        var values: [String: [UInt8]] = [:]
        for (key, value) in object["data"].object ?? JSONObject() { values[key] = Array(value.stringValue.utf8) }
        for (key, value) in object["binaryData"].object ?? JSONObject() {
            values[key] = try Self.decoded(value, "configmap \"\(name)\"", key)
        }
        return try pick(values, source["items"], mode, isOptional: isOptional, what: "config")
    }

    private func secret(_ source: JSON, name: String, _ mode: UInt32) throws -> [String: VolumeFile] {
        let isOptional = source["optional"].bool ?? false
        guard let object = try object(.secrets, name, isOptional: isOptional) else { return [:] }
        var values: [String: [UInt8]] = [:]
        for (key, value) in object["data"].object ?? JSONObject() {
            values[key] = try Self.decoded(value, "secret \"\(name)\"", key)
        }
        return try pick(values, source["items"], mode, isOptional: isOptional, what: "secret")
    }

    private static func decoded(_ value: JSON, _ owner: String, _ key: String) throws -> [UInt8] {
        guard let bytes = Base64.decode(value.stringValue) else {
            throw ContainerConfigError("\(owner): key \(key) is not valid base64")
        }
        return bytes
    }

    /// All keys under their names, or those of `items` where they are to be.
    private func pick(_ values: [String: [UInt8]], _ items: JSON, _ mode: UInt32, isOptional: Bool, what: String) throws
        -> [String: VolumeFile]
    {
        guard !items.items.isEmpty else { return values.mapValues { VolumeFile(bytes: $0, mode: mode) } }
        var files: [String: VolumeFile] = [:]
        for item in items.items {
            let key = item["key"].stringValue
            guard let bytes = values[key] else {
                if isOptional { continue }
                throw ContainerConfigError("references non-existent \(what) key: \(key)")
            }
            files[item["path"].stringValue] = VolumeFile(bytes: bytes, mode: try Self.mode(item["mode"], Int(mode)))
        }
        return files
    }

    private func downward(_ source: JSON, _ mode: UInt32) throws -> [String: VolumeFile] {
        var files: [String: VolumeFile] = [:]
        for item in source["items"].items {
            let text: String
            if item["fieldRef"].isObject {
                text = try DownwardField.value(item["fieldRef"]["fieldPath"].stringValue, source: environment)
            } else {
                let reference = item["resourceFieldRef"]
                guard let container = pod.container(reference["containerName"].stringValue) else {
                    throw ContainerConfigError("container \(reference["containerName"].stringValue) not found")
                }
                text = try DownwardField.resource(reference, container: container, source: environment)
            }
            files[item["path"].stringValue] = VolumeFile(
                bytes: Array(text.utf8), mode: try Self.mode(item["mode"], Int(mode)))
        }
        return files
    }

    private static func mode(_ json: JSON, _ fallback: Int) throws -> UInt32 {
        let number = json.int ?? fallback
        guard (0...0o777).contains(number) else { throw ContainerConfigError("mode \(number) is not within 0-0777") }
        return UInt32(number)
    }
}
