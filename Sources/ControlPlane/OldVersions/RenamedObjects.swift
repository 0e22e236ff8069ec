import KubeAPI

/// v1beta3: v1 with some fields under other names. What is not in the table is the same in both.
enum RenamedObjects {
    /// A field's name in v1beta3 and in v1.
    private typealias Names = (old: String, new: String)

    private static let pod: [Names] = [("host", "nodeName"), ("serviceAccount", "serviceAccountName")]
    private static let service: [Names] = [("portalIP", "clusterIP"), ("publicIPs", "externalIPs")]
    private static let podStatus: [Names] = [("Condition", "conditions")]
    private static let state: [Names] = [("termination", "terminated")]
    private static let address: [Names] = [("IP", "ip")]

    static func old(_ object: JSON) -> JSON {
        var object = object
        object["metadata"]["managedFields"] = .null
        switch object.kind {
        case "Pod":
            // v1 tells the account under both names.
            object["spec"]["serviceAccount"] = .null
            rename(&object["spec"], pod, toOld: true)
            status(&object, toOld: true)
        case "ReplicationController":
            object["spec"]["template"]["spec"]["serviceAccount"] = .null
            rename(&object["spec"]["template"]["spec"], pod, toOld: true)
        case "Service":
            rename(&object["spec"], service, toOld: true)
            if object["spec"]["type"] == "LoadBalancer" { object["spec"]["createExternalLoadBalancer"] = true }
        case "Endpoints": addresses(&object, toOld: true)
        default: break
        }
        return object
    }

    static func new(_ object: JSON, kind: String) -> JSON {
        var object = object
        switch kind {
        case "Pod":
            podSpec(&object["spec"])
            status(&object, toOld: false)
        case "ReplicationController": podSpec(&object["spec"]["template"]["spec"])
        case "Service":
            rename(&object["spec"], service, toOld: false)
            if object["spec"]["createExternalLoadBalancer"] == true { object["spec"]["type"] = "LoadBalancer" }
            object["spec"]["createExternalLoadBalancer"] = .null
        case "Endpoints": addresses(&object, toOld: false)
        default: break
        }
        return object
    }

    private static func rename(_ object: inout JSON, _ names: [Names], toOld: Bool) {
        guard object.isObject else { return }
        for (old, new) in names {
            let (from, to) = toOld ? (new, old) : (old, new)
            guard !object[from].isNull else { continue }
            object[to] = object[from]
            object[from] = .null
        }
    }

    private static func each(_ list: inout JSON, _ body: (inout JSON) -> Void) {
        guard let elements = list.array else { return }
        list = .array(
            elements.map { element in
                var element = element
                body(&element)
                return element
            })
    }

    private static func podSpec(_ spec: inout JSON) {
        guard spec.isObject else { return }
        rename(&spec, pod, toOld: false)
        each(&spec["containers"]) { container in
            for field in ["privileged", "capabilities"] where !container[field].isNull {
                container["securityContext"][field] = container[field]
                container[field] = .null
            }
            each(&container["env"]) { variable in
                // The paths that could be named are the same.
                if variable["valueFrom"]["fieldRef"]["apiVersion"] == "v1beta3" {
                    variable["valueFrom"]["fieldRef"]["apiVersion"] = "v1"
                }
            }
        }
    }

    private static func status(_ pod: inout JSON, toOld: Bool) {
        guard pod["status"].isObject else { return }
        rename(&pod["status"], podStatus, toOld: toOld)
        each(&pod["status"]["containerStatuses"]) { status in
            rename(&status["state"], state, toOld: toOld)
            rename(&status["lastState"], state, toOld: toOld)
        }
    }

    private static func addresses(_ endpoints: inout JSON, toOld: Bool) {
        each(&endpoints["subsets"]) { subset in
            for list in ["addresses", "notReadyAddresses"] {
                each(&subset[list]) { rename(&$0, address, toOld: toOld) }
            }
        }
    }
}
