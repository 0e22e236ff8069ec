import KubeAPI

/// The difference of two statuses as a strategic merge patch of the status subresource.
enum StatusPatch {
    /// Lists that a strategic merge patch merges by a key.
    private static let mergeKeys = ["conditions": "type", "podIPs": "ip", "addresses": "type"]

    /// Null where the API knows all of it. Members that only the API has, and that are not in `owned`, are left alone.
    static func make(from known: JSON, to desired: JSON, owned: Set<String>) -> JSON {
        var patch: JSON = .null
        for (name, value) in desired.object ?? JSONObject() where known[name] != value {
            guard let key = mergeKeys[name] else {
                patch[name] = value
                continue
            }
            let before = known[name].items
            // Two of one type, as a node's addresses of both families are: a merge would make one of them.
            guard !hasTwins(value.items, key), !hasTwins(before, key) else {
                patch[name] = .array([["$patch": "replace"]] + value.items)
                continue
            }
            var changes = value.items.filter { !before.contains($0) }.map { element in
                replacing(before.first { $0[key] == element[key] } ?? .null, by: element)
            }
            for element in before where !value.items.contains(where: { $0[key] == element[key] }) {
                changes.append([key: element[key], "$patch": "delete"])
            }
            if !changes.isEmpty { patch[name] = .array(changes) }
        }
        // `null` deletes; assigning null to a member of a tree removes it, so that the object is built by hand.
        let gone = (known.object?.names ?? []).filter { owned.contains($0) && desired[$0].isNull && !known[$0].isNull }
        guard !gone.isEmpty else { return patch }
        var object = patch.object ?? JSONObject()
        for name in gone { object[name] = JSON.null }
        return .object(object)
    }

    private static func hasTwins(_ items: [JSON], _ key: String) -> Bool {
        Set(items.map { $0[key].stringValue }).count < items.count
    }

    /// An element that is merged into an old one: what only that has is to go.
    private static func replacing(_ old: JSON, by element: JSON) -> JSON {
        guard var object = element.object else { return element }
        for name in old.object?.names ?? [] where !object.contains(name) { object[name] = JSON.null }
        return .object(object)
    }

    /// The members of a pod's status that the kubelet writes.
    static let podMembers: Set<String> = [
        "phase", "conditions", "reason", "message", "hostIP", "hostIPs", "podIP", "podIPs", "startTime",
        "initContainerStatuses", "containerStatuses", "observedGeneration",
    ]
}
