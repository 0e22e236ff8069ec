import Crypto
import KubeAPI

/// Why a manifest can't be run.
struct ManifestError: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Reads a manifest of this node and brings it to the form that pods of the API have.
enum StaticPod {
    /// More than any manifest needs.
    static let sizeLimit = 4 << 20

    /// - Parameters:
    ///   - file: its path, a part of the pod's identity.
    ///   - seenAt: noted in the pod, not a part of its identity.
    static func parse(
        _ bytes: [UInt8], file: String, nodeName: String, seenAt: Timestamp
    ) throws(ManifestError) -> [Pod] {
        let documents: [JSON]
        do {
            let isJSON = bytes.first { !" \t\r\n".utf8.contains($0) } == UInt8(ascii: "{")
            documents = isJSON ? [try JSON.parse(bytes)] : try YAML.parse(bytes)
        } catch {
            throw ManifestError("\(error)")
        }
        var pods: [Pod] = []
        for document in documents where !document.isNull {
            pods.append(try pod(document, file: file, nodeName: nodeName, seenAt: seenAt))
        }
        guard !pods.isEmpty else { throw ManifestError("it holds no pod") }
        return pods
    }

    private static func pod(
        _ document: JSON, file: String, nodeName: String, seenAt: Timestamp
    ) throws(ManifestError) -> Pod {
        guard document.isObject else { throw ManifestError("a pod must be a map") }
        guard document.apiVersion == "v1", document.kind == "Pod" else {
            let found =
                "\(document.apiVersion.isEmpty ? "of no version" : document.apiVersion) "
                + (document.kind.isEmpty ? "of no kind" : document.kind)
            let isOld = document.apiVersion.hasPrefix("v1beta") || document["version"].string != nil
            throw ManifestError("it must be a v1 Pod, not \(found)" + (isOld ? "; \(Self.wayOut)" : ""))
        }
        guard let schema = Scheme.builtin.schema(apiVersion: "v1", kind: "Pod") else {
            throw ManifestError("pods have no schema")
        }
        var json = document
        if let error = schema.typeErrors(json).first { throw ManifestError(error) }
        // What would be dropped in silence may be what matters: an old name, a slip of the pen.
        if let field = schema.prune(&json).first {
            throw ManifestError("unknown field \"\(field)\"" + (Self.newName(field).map { "; v1 has \($0)" } ?? ""))
        }
        json["status"] = .null
        guard !json.name.isEmpty else { throw ManifestError("metadata.name: Required value") }
        let hash = identity(of: json, file: file, nodeName: nodeName)

        var metadata = json["metadata"]
        metadata["name"] = .string("\(json.name)-\(nodeName.lowercased())")
        if json.namespace.isEmpty { metadata["namespace"] = "default" }
        metadata["uid"] = .string(hash)
        metadata["creationTimestamp"] = .string(seenAt.rfc3339)
        metadata["annotations"][Pod.configHash] = .string(hash)
        metadata["annotations"][Pod.configSource] = "file"
        metadata["annotations"][Pod.configSeen] = .string(seenAt.nano)
        json["metadata"] = metadata
        json["spec"]["nodeName"] = .string(nodeName)
        // Nothing that befalls the node drives it away.
        json["spec"]["tolerations"].append(["operator": "Exists", "effect": "NoExecute"])
        schema.applyDefaults(&json)
        let names = NameValidation.dns1123Subdomain(json.name) + NameValidation.dns1123Label(json.namespace)
        if let error = names.first { throw ManifestError("metadata: Invalid value: \"\(json.name)\": \(error)") }
        if let error = schema.validate(json).first { throw ManifestError("\(error)") }
        guard !json["spec"]["containers"].items.isEmpty else { throw ManifestError("spec.containers: Required value") }
        let containers = json["spec"]["containers"].items + json["spec"]["initContainers"].items
        var seen: Set<String> = []
        for container in containers {
            let name = container["name"].stringValue
            if let error = NameValidation.dns1123Label(name).first {
                throw ManifestError("container name \"\(name)\": \(error)")
            }
            guard seen.insert(name).inserted else { throw ManifestError("container name \"\(name)\": Duplicate value") }
            guard !container["image"].stringValue.isEmpty else {
                throw ManifestError("container \(name): image: Required value")
            }
        }
        var pod = Pod(json)
        pod.json["status"] = ["phase": "Pending", "qosClass": .string(pod.computedQOSClass)]
        return pod
    }

    private static let wayOut =
        "write apiVersion v1, kind Pod, metadata.name for id, and spec.containers for the manifest's containers"

    /// What v1 calls a field of the versions before.
    private static func newName(_ path: String) -> String? {
        let name = path.split { ".[]".contains($0) }.last { Int($0) == nil } ?? ""
        return switch name {
        case "id": "metadata.name"
        case "labels", "annotations": "metadata.\(name)"
        case "desiredState", "manifest": "spec"
        case "host": "spec.nodeName"
        case "source": "the kind of a volume beside its name"
        case "hostDir": "hostPath"
        case "entrypoint": "command, and args for command"
        case "cpu", "memory": "resources.limits.\(name)"
        case "privileged", "capabilities": "securityContext.\(name)"
        case "key": "name"
        default: nil
        }
    }

    /// What makes it another pod: its node, its file, and everything that it says.
    private static func identity(of json: JSON, file: String, nodeName: String) -> String {
        var hash = SHA256()
        for part in [Array("host:\(nodeName)".utf8), Array("file:\(file)".utf8), json.serialized()] {
            hash.update(data: part)
            hash.update(data: [0])
        }
        return String(hexadecimal(hash.finalize()).prefix(32))
    }
}
