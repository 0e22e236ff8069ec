import KubeAPI

/// v1beta1 and v1beta2: metadata beside everything else, `desiredState` for what is wanted and `currentState` for what
/// is.
enum FlatObjects {
    static func old(_ object: JSON) -> JSON {
        var result = (FlatTables.byKind[object.kind] ?? FieldTable(FlatTables.metadata)).old(object)
        if object.kind == "Service", let port = object["spec"]["ports"].items.first {
            result["port"] = port["port"]
            result["protocol"] = port["protocol"]
            result["containerPort"] = port["targetPort"]
        }
        if object.kind == "Pod" { result["currentState"]["info"] = info(object) }
        if object.kind == "Endpoints" { result["endpoints"] = places(object) }
        return result
    }

    static func new(_ object: JSON, kind: String) throws(FieldTable.NoPlace) -> JSON {
        var object = object
        object["kind"] = .null
        object["apiVersion"] = .null
        var single: JSON = .emptyObject
        if kind == "Service" {
            // One port is said beside the list, or instead of it.
            single = ["port": object["port"], "protocol": object["protocol"], "targetPort": object["containerPort"]]
            for name in ["port", "protocol", "containerPort"] { object[name] = .null }
        }
        guard let table = FlatTables.byKind[kind] else { throw FieldTable.NoPlace(path: "kind") }
        var result = try table.new(object)
        if !single["port"].isNull, result["spec"]["ports"].items.isEmpty { result["spec"]["ports"] = [single] }
        return result
    }

    /// Versions were numbers.
    static func number(_ revision: JSON) -> JSON? { Int64(revision.stringValue).map { .int($0) } }

    /// The containers' states by their names.
    private static func info(_ pod: JSON) -> JSON {
        var info = JSON.emptyObject
        for status in pod["status"]["containerStatuses"].items {
            var item: JSON = [
                "state": state(status["state"]), "ready": status["ready"], "restartCount": status["restartCount"],
                "image": status["image"], "imageID": status["imageID"], "containerID": status["containerID"],
            ]
            if status["lastState"].isObject { item["lastState"] = state(status["lastState"]) }
            info[status["name"].stringValue] = item
        }
        return info
    }

    private static func state(_ state: JSON) -> JSON {
        var state = state
        if !state["terminated"].isNull {
            state["termination"] = state["terminated"]
            state["terminated"] = .null
        }
        return state
    }

    /// `ADDRESS:PORT` for each.
    private static func places(_ endpoints: JSON) -> JSON {
        var places: [JSON] = []
        for subset in endpoints["subsets"].items {
            for address in subset["addresses"].items {
                let host = address["ip"].stringValue
                for port in subset["ports"].items {
                    places.append(.string("\(host.contains(":") ? "[\(host)]" : host):\(port["port"].int ?? 0)"))
                }
            }
        }
        return .array(places)
    }
}
