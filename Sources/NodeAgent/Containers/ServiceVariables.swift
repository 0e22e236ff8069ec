import KubeAPI

/// The variables by which containers find services without DNS (kubernetes pkg/kubelet/envvars):
/// `REDIS_SERVICE_HOST`, `REDIS_SERVICE_PORT`, and Docker's link variables.
enum ServiceVariables {
    /// - Parameter services: all known services; only those of the namespace count, and `default/kubernetes`.
    /// - Parameter areLinksEnabled: `spec.enableServiceLinks`; without it only the API server's are set.
    static func variables(services: [JSON], namespace: String, areLinksEnabled: Bool) -> [String: String] {
        var result: [String: String] = [:]
        var chosen: [String: JSON] = [:]
        for service in services {
            let isMaster = service.namespace == "default" && service.name == "kubernetes"
            let isOwn = service.namespace == namespace && areLinksEnabled
            guard isMaster || isOwn else { continue }
            // A service of the pod's own namespace named kubernetes wins over the master's.
            if chosen[service.name] == nil || service.namespace == namespace { chosen[service.name] = service }
        }
        for name in chosen.keys.sorted() {
            guard let service = chosen[name] else { continue }
            add(service, to: &result)
        }
        return result
    }

    private static func add(_ service: JSON, to result: inout [String: String]) {
        let address = service["spec"]["clusterIP"].stringValue
        guard !address.isEmpty, address != "None", service["spec"]["type"].string != "ExternalName" else { return }
        let ports = service["spec"]["ports"].items
        guard let first = ports.first, let firstPort = first["port"].int else { return }
        let prefix = service.name.uppercased().map { $0 == "-" ? "_" : $0 }.reduce(into: "") { $0.append($1) }
        result["\(prefix)_SERVICE_HOST"] = address
        result["\(prefix)_SERVICE_PORT"] = String(firstPort)
        let host = address.contains(":") ? "[\(address)]" : address
        for (index, port) in ports.enumerated() {
            guard let number = port["port"].int else { continue }
            if let name = port["name"].string, !name.isEmpty {
                let suffix = name.uppercased().map { $0 == "-" ? "_" : $0 }.reduce(into: "") { $0.append($1) }
                result["\(prefix)_SERVICE_PORT_\(suffix)"] = String(number)
            }
            let proto = (port["protocol"].string ?? "TCP")
            let url = "\(proto.lowercased())://\(host):\(number)"
            if index == 0 { result["\(prefix)_PORT"] = url }
            let link = "\(prefix)_PORT_\(number)_\(proto.uppercased())"
            result[link] = url
            result["\(link)_PROTO"] = proto.lowercased()
            result["\(link)_PORT"] = String(number)
            result["\(link)_ADDR"] = address
        }
    }
}
