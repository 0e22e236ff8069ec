import KubeAPI

/// A container can't be made from its configuration: `CreateContainerConfigError` in the status, tried again.
struct ContainerConfigError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// What of the cluster a container's environment may name.
struct EnvironmentSource {
    var pod: Pod
    var podIPs: [String]
    var hostIPs: [String]
    var nodeName: String
    /// The node's allocatable amounts, for limits that the container does not set.
    var allocatable: [String: Quantity]
    /// The name inside the pod.
    var hostname = ""
    /// The services of the pod's namespace and the `kubernetes` service, as variables.
    var services: [String: String]
    /// The ConfigMap or Secret of that name in the pod's namespace; nil where there is none. Throws
    /// `ContainerConfigError` while that is not known.
    var object: (ResourcePath, String) throws -> JSON?
}

/// The environment of a container: `envFrom`, `env`, service variables, and the image's own below all of them.
enum ContainerEnvironment {
    /// - Returns: the variables in order, each name once, without the image's.
    static func build(container: Container, source: EnvironmentSource) throws -> [(name: String, value: String)] {
        var result: [(name: String, value: String)] = []
        var index: [String: Int] = [:]
        func set(_ name: String, _ value: String) {
            if let position = index[name] {
                result[position].value = value
            } else {
                index[name] = result.count
                result.append((name, value))
            }
        }

        for item in container.envFrom {
            let prefix = item["prefix"].stringValue
            for (kind, resource) in [("configMapRef", ResourcePath.configMaps), ("secretRef", .secrets)] {
                let reference = item[kind]
                guard reference.isObject else { continue }
                guard let object = try source.object(resource, reference["name"].stringValue) else {
                    if reference["optional"].bool == true { continue }
                    throw ContainerConfigError(notFound(resource, reference["name"].stringValue))
                }
                for key in (object["data"].object?.names ?? []).sorted() {
                    set(prefix + key, try text(of: key, in: object, resource: resource) ?? "")
                }
            }
        }

        for variable in container.env {
            let name = variable["name"].stringValue
            let from = variable["valueFrom"]
            if from.isObject {
                if let value = try value(from, container: container, source: source) { set(name, value) }
            } else {
                let expanded = VariableExpansion.expand(variable["value"].stringValue) { name in
                    index[name].map { result[$0].value } ?? source.services[name]
                }
                set(name, expanded)
            }
        }
        for name in source.services.keys.sorted() where index[name] == nil { set(name, source.services[name] ?? "") }
        return result
    }

    /// Puts the container's variables over the image's: `NAME=value`.
    static func merge(image: [String], container: [(name: String, value: String)]) -> [String] {
        let own = Set(container.map(\.name))
        let kept = image.filter { !own.contains(String($0.prefix { $0 != "=" })) }
        return kept + container.map { "\($0.name)=\($0.value)" }
    }

    private static func notFound(_ resource: ResourcePath, _ name: String) -> String {
        "\(resource == .secrets ? "secret" : "configmap") \"\(name)\" not found"
    }

    /// A key's value; secrets carry theirs in base64.
    private static func text(of key: String, in object: JSON, resource: ResourcePath) throws -> String? {
        guard let value = object["data"][key].string else { return nil }
        guard resource == .secrets else { return value }
        guard let bytes = Base64.decode(value) else {
            throw ContainerConfigError("secret \"\(object.name)\": key \(key) is not valid base64")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func value(_ from: JSON, container: Container, source: EnvironmentSource) throws -> String? {
        for (kind, resource, label) in [
            ("configMapKeyRef", ResourcePath.configMaps, "ConfigMap"), ("secretKeyRef", .secrets, "Secret"),
        ] {
            let reference = from[kind]
            guard reference.isObject else { continue }
            let name = reference["name"].stringValue
            let key = reference["key"].stringValue
            let isOptional = reference["optional"].bool ?? false
            guard let object = try source.object(resource, name) else {
                if isOptional { return nil }
                throw ContainerConfigError(notFound(resource, name))
            }
            guard let text = try text(of: key, in: object, resource: resource) else {
                if isOptional { return nil }
                throw ContainerConfigError("couldn't find key \(key) in \(label) \(source.pod.namespace)/\(name)")
            }
            return text
        }
        if from["fieldRef"].isObject {
            return try DownwardField.value(from["fieldRef"]["fieldPath"].stringValue, source: source)
        }
        if from["resourceFieldRef"].isObject {
            return try DownwardField.resource(from["resourceFieldRef"], container: container, source: source)
        }
        throw ContainerConfigError("valueFrom names no source that is known")
    }
}
