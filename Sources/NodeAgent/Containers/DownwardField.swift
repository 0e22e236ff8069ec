import KubeAPI

/// Fields of the pod and its resources, as `fieldRef` and `resourceFieldRef` name them.
enum DownwardField {
    static func value(_ path: String, source: EnvironmentSource) throws -> String {
        let metadata = source.pod.json["metadata"]
        if let bracket = path.firstIndex(of: "["), path.hasSuffix("']"), path[bracket...].hasPrefix("['") {
            let key = String(path[path.index(bracket, offsetBy: 2)...].dropLast(2))
            switch path[..<bracket] {
            case "metadata.labels": return metadata["labels"][key].stringValue
            case "metadata.annotations": return metadata["annotations"][key].stringValue
            default: break
            }
        }
        switch path {
        case "metadata.name": return source.pod.name
        case "metadata.namespace": return source.pod.namespace
        case "metadata.uid": return source.pod.uid
        case "metadata.labels": return map(metadata["labels"])
        case "metadata.annotations": return map(metadata["annotations"])
        case "spec.nodeName": return source.nodeName
        case "spec.serviceAccountName": return source.pod.spec["serviceAccountName"].stringValue
        case "status.podIP": return source.podIPs.first ?? ""
        case "status.podIPs": return source.podIPs.joined(separator: ",")
        case "status.hostIP": return source.hostIPs.first ?? ""
        case "status.hostIPs": return source.hostIPs.joined(separator: ",")
        default: throw ContainerConfigError("unsupported fieldPath: \(path)")
        }
    }

    /// `key="value"` lines, sorted.
    private static func map(_ json: JSON) -> String {
        json.stringMap.sorted { $0.key < $1.key }
            .map { "\($0.key)=\(String(decoding: JSON.string($0.value).serialized(), as: UTF8.self))" }
            .joined(separator: "\n")
    }

    static func resource(_ reference: JSON, container: Container, source: EnvironmentSource) throws -> String {
        var container = container
        if let name = reference["containerName"].string, !name.isEmpty {
            guard let other = source.pod.container(name) else {
                throw ContainerConfigError("container \(name) not found")
            }
            container = other
        }
        let path = reference["resource"].stringValue
        let parts = path.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2, ["limits", "requests"].contains(parts[0]) else {
            throw ContainerConfigError("unsupported container resource : \(path)")
        }
        let resources = container.json["resources"]
        var quantity = Quantity(resources[parts[0]][parts[1]])
        if parts[0] == "requests" { quantity = quantity ?? Quantity(resources["limits"][parts[1]]) ?? .zero }
        // A limit that is not set is what the node can give.
        quantity = quantity ?? source.allocatable[parts[1]]
        guard let amount = quantity else { return "0" }
        let divisor = Quantity(reference["divisor"]).flatMap { $0.isZero ? nil : $0 } ?? Quantity(1, format: .decimalSI)
        if parts[1] == "cpu" {
            let unit = max(1, divisor.milliValue)
            return String((amount.milliValue &+ unit - 1) / unit)
        }
        let unit = max(1, divisor.value)
        return String((amount.value &+ unit - 1) / unit)
    }
}
