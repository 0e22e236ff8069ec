/// The columns of services.
enum ServiceColumns {
    static let all: [TableColumn] = [
        .name,
        .text("Type") { $0["spec"]["type"].stringValue },
        .text("Cluster-IP") { service in
            let spec = service["spec"]
            return (spec["clusterIPs"][0].string.nonEmpty ?? spec["clusterIP"].string.nonEmpty) ?? "<none>"
        },
        .text("External-IP", externalIP),
        .text("Port(s)", ports),
        .age,
        .text("Selector", priority: 1) { TableColumn.labels($0["spec"]["selector"]) },
    ]

    @Sendable private static func externalIP(_ service: JSON) -> String {
        let external = service["spec"]["externalIPs"].items.compactMap(\.string)
        switch service["spec"]["type"].stringValue {
        case "ExternalName":
            return service["spec"]["externalName"].stringValue
        case "LoadBalancer":
            let ingress = Set(
                service["status"]["loadBalancer"]["ingress"].items
                    .compactMap { $0["ip"].string.nonEmpty ?? $0["hostname"].string.nonEmpty })
            let all = ingress.sorted() + external
            return all.isEmpty ? "<pending>" : all.joined(separator: ",")
        case "ClusterIP", "NodePort":
            return external.isEmpty ? "<none>" : external.joined(separator: ",")
        default:
            return "<unknown>"
        }
    }

    @Sendable private static func ports(_ service: JSON) -> String {
        let ports = service["spec"]["ports"].items.map { port in
            let node = port["nodePort"].int ?? 0
            return "\(port["port"].int ?? 0)\(node > 0 ? ":\(node)" : "")/\(port["protocol"].stringValue)"
        }
        return ports.isEmpty ? "<none>" : ports.joined(separator: ",")
    }
}
