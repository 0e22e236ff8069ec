import KubeAPI

/// The versions of the API before v1, for clients and manifests of 2015. They are served where the loopback port is, as
/// translations of v1: nothing is stored in them.
enum OldVersion: String, CaseIterable, Sendable {
    case v1beta1, v1beta2, v1beta3

    /// The flat form with `id`, `desiredState` and `minions`.
    var isFlat: Bool { self != .v1beta3 }

    private static let prefix = Array("/api/v1beta".utf8)

    /// The version that a path is under; nil for all other paths.
    init?(path: String) {
        // On every request's way.
        guard path.utf8.starts(with: Self.prefix), let third = path.split(separator: "/").dropFirst().first else {
            return nil
        }
        self.init(rawValue: String(third))
    }

    /// Kinds by their resources in v1.
    static let kinds: [String: String] = [
        "pods": "Pod", "replicationcontrollers": "ReplicationController", "services": "Service", "nodes": "Node",
        "endpoints": "Endpoints", "events": "Event", "namespaces": "Namespace", "bindings": "Binding",
    ]

    /// What the flat versions can make.
    static let flatCreates: Set<String> = ["pods", "replicationcontrollers", "services"]

    /// The resource's name in v1.
    func resource(_ name: String) -> String {
        let lower = name.lowercased()
        return lower == "minions" ? "nodes" : lower
    }

    /// The kind as this version calls it: `Minion`, `MinionList`.
    func kind(_ kind: String) -> String {
        guard isFlat, kind.hasPrefix("Node") else { return kind }
        return "Minion" + kind.dropFirst("Node".count)
    }

    /// The object as this version has it.
    func old(_ object: JSON) -> JSON {
        let kind = object.kind
        if kind == "Status" { return status(object) }
        if kind.hasSuffix("List"), object["items"].array != nil { return list(object) }
        var result = isFlat ? FlatObjects.old(object) : RenamedObjects.old(object)
        result["kind"] = .string(self.kind(kind))
        result["apiVersion"] = .string(rawValue)
        return result
    }

    /// The object as v1 has it. Throws what this version has no place for, as a path in the object.
    func new(_ object: JSON, kind: String) throws(FieldTable.NoPlace) -> JSON {
        var result = try isFlat ? FlatObjects.new(object, kind: kind) : RenamedObjects.new(object, kind: kind)
        result["kind"] = .string(kind)
        result["apiVersion"] = "v1"
        return result
    }

    private func list(_ list: JSON) -> JSON {
        let kind = String(list.kind.dropLast("List".count))
        let items = list["items"].items.map { item in
            var item = item
            item["kind"] = .string(kind)
            var result = old(item)
            if !isFlat {
                result["kind"] = .null
                result["apiVersion"] = .null
            }
            return result
        }
        var result: JSON = ["kind": .string(self.kind(list.kind)), "apiVersion": .string(rawValue)]
        if isFlat {
            result["creationTimestamp"] = .null
            result["resourceVersion"] = FlatObjects.number(list["metadata"]["resourceVersion"]) ?? .null
        } else {
            result["metadata"] = list["metadata"]
        }
        result["items"] = .array(items)
        return result
    }

    private func status(_ status: JSON) -> JSON {
        var result = status
        result["apiVersion"] = .string(rawValue)
        if isFlat {
            result["metadata"] = .null
            if !result["details"]["name"].isNull {
                result["details"]["id"] = result["details"]["name"]
                result["details"]["name"] = .null
            }
        }
        return result
    }
}
