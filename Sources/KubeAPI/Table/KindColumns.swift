enum WorkloadColumns {
    static func containers(_ object: JSON, _ field: String) -> String {
        object["spec"]["template"]["spec"]["containers"].items.map { $0[field].stringValue }.joined(separator: ",")
    }

    /// `a=1,b=2`, sorted; `<none>` for none.
    static func labels(_ map: JSON) -> String {
        let pairs = map.stringMap.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return pairs.isEmpty ? "<none>" : pairs.joined(separator: ",")
    }
}

enum NodeColumns {
    static let all: [TableColumn] = [
        .name,
        .text("Status", status),
        .text("Roles", roles),
        .age,
        .text("Version") { $0["status"]["nodeInfo"]["kubeletVersion"].stringValue },
        .text("Internal-IP", priority: 1) { address($0, "InternalIP") },
        .text("External-IP", priority: 1) { address($0, "ExternalIP") },
        .text("OS-Image", priority: 1) { $0["status"]["nodeInfo"]["osImage"].string.nonEmpty ?? "<unknown>" },
        .text("Kernel-Version", priority: 1) { $0["status"]["nodeInfo"]["kernelVersion"].string.nonEmpty ?? "<unknown>" },
        .text("Container-Runtime", priority: 1) {
            $0["status"]["nodeInfo"]["containerRuntimeVersion"].string.nonEmpty ?? "<unknown>"
        },
    ]

    private static func status(_ node: JSON) -> String {
        let ready = node["status"]["conditions"].items.first { $0["type"].string == "Ready" }
        var words: [String] = []
        if let ready { words.append(ready["status"].string == "True" ? "Ready" : "NotReady") }
        if words.isEmpty { words.append("Unknown") }
        if node["spec"]["unschedulable"].bool == true { words.append("SchedulingDisabled") }
        return words.joined(separator: ",")
    }

    private static func roles(_ node: JSON) -> String {
        let prefix = "node-role.kubernetes.io/"
        var roles: [String] = []
        for (key, value) in node.labels {
            if key.hasPrefix(prefix), key.count > prefix.count { roles.append(String(key.dropFirst(prefix.count))) }
            if key == "kubernetes.io/role", !value.isEmpty { roles.append(value) }
        }
        return roles.isEmpty ? "<none>" : roles.sorted().joined(separator: ",")
    }

    private static func address(_ node: JSON, _ type: String) -> String {
        node["status"]["addresses"].items.first { $0["type"].string == type }?["address"].string ?? "<none>"
    }
}

enum ServiceColumns {
    static let all: [TableColumn] = [
        .name,
        .text("Type") { $0["spec"]["type"].stringValue },
        .text("Cluster-IP") { $0["spec"]["clusterIP"].string.nonEmpty ?? "<none>" },
        .text("External-IP", externalIP),
        .text("Port(s)", ports),
        .age,
        .text("Selector", priority: 1) { WorkloadColumns.labels($0["spec"]["selector"]) },
    ]

    private static func externalIP(_ service: JSON) -> String {
        let external = service["spec"]["externalIPs"].items.compactMap(\.string)
        switch service["spec"]["type"].stringValue {
        case "ExternalName":
            return service["spec"]["externalName"].stringValue
        case "LoadBalancer":
            let ingress = service["status"]["loadBalancer"]["ingress"].items
                .compactMap { $0["ip"].string.nonEmpty ?? $0["hostname"].string.nonEmpty }
            let all = ingress + external
            return all.isEmpty ? "<pending>" : all.joined(separator: ",")
        default:
            return external.isEmpty ? "<none>" : external.joined(separator: ",")
        }
    }

    private static func ports(_ service: JSON) -> String {
        let ports = service["spec"]["ports"].items.map { port in
            let node = port["nodePort"].int ?? 0
            return "\(port["port"].int ?? 0)\(node > 0 ? ":\(node)" : "")/\(port["protocol"].string ?? "TCP")"
        }
        return ports.isEmpty ? "<none>" : ports.joined(separator: ",")
    }
}

enum EndpointColumns {
    /// `10.0.0.1:80,10.0.0.2:80 + 3 more...`
    static func endpoints(_ object: JSON) -> String {
        var shown: [String] = []
        var count = 0
        for subset in object["subsets"].items {
            let ports = subset["ports"].items.isEmpty ? [JSON.null] : subset["ports"].items
            for port in ports {
                for address in subset["addresses"].items {
                    count += 1
                    guard shown.count < 3 else { continue }
                    let ip = address["ip"].stringValue
                    shown.append(port["port"].int.map { ip.contains(":") ? "[\(ip)]:\($0)" : "\(ip):\($0)" } ?? ip)
                }
            }
        }
        guard count > 0 else { return "<none>" }
        return shown.joined(separator: ",") + (count > shown.count ? " + \(count - shown.count) more..." : "")
    }

    static func slicePorts(_ slice: JSON) -> String {
        limited(slice["ports"].items.map { $0["port"].int.map(String.init) ?? "*" }, none: "<unset>")
    }

    static func sliceEndpoints(_ slice: JSON) -> String {
        limited(slice["endpoints"].items.flatMap { $0["addresses"].items.compactMap(\.string) }, none: "<unset>")
    }

    private static func limited(_ items: [String], none: String) -> String {
        guard !items.isEmpty else { return none }
        return items.prefix(3).joined(separator: ",") + (items.count > 3 ? " + \(items.count - 3) more..." : "")
    }
}

enum EventColumns {
    static let all: [TableColumn] = [
        TableColumn("Last Seen") { event, now in
            let seen = event["series"]["lastObservedTime"].string ?? event["lastTimestamp"].string
                ?? event["eventTime"].string
            return .string(HumanDuration.since(seen ?? event["firstTimestamp"].string, now))
        },
        .text("Type") { $0["type"].stringValue },
        .text("Reason") { $0["reason"].stringValue },
        .text("Object") { "\($0["involvedObject"]["kind"].stringValue.lowercased())/\($0["involvedObject"]["name"].stringValue)" },
        .text("Subobject", priority: 1) { $0["involvedObject"]["fieldPath"].stringValue },
        .text("Source", priority: 1) { event in
            let component = event["source"]["component"].string.nonEmpty ?? event["reportingComponent"].stringValue
            let host = event["source"]["host"].string.nonEmpty
            return host.map { "\(component), \($0)" } ?? component
        },
        .text("Message") { $0["message"].stringValue.split(separator: "\n").joined(separator: " ") },
        TableColumn("First Seen", priority: 1) { event, now in
            .string(HumanDuration.since(event["firstTimestamp"].string ?? event["eventTime"].string, now))
        },
        TableColumn("Count", priority: 1) { event, _ in .string(String(event["series"]["count"].int ?? event["count"].int ?? 1)) },
        TableColumn("Name", format: "name", priority: 1) { event, _ in .string(event.name) },
    ]
}
