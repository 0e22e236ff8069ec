/// A node.
public struct Node: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var spec: JSON { json["spec"] }
    public var status: JSON { json["status"] }
    public var podCIDR: String? { spec["podCIDR"].string.nonEmpty }
    public var isUnschedulable: Bool { spec["unschedulable"].bool ?? false }
    public var taints: [JSON] { spec["taints"].items }
    public var isReady: Bool { condition("Ready")?["status"].string == "True" }
    public func condition(_ type: String) -> JSON? { status["conditions"].items.first { $0["type"].string == type } }
    /// The first address of that type: `InternalIP`, `Hostname`.
    public func address(_ type: String) -> String? {
        status["addresses"].items.first { $0["type"].string == type }?["address"].string
    }
    /// What pods may use in all.
    public var allocatable: [String: Quantity] { Self.quantities(status["allocatable"]) }
    public var capacity: [String: Quantity] { Self.quantities(status["capacity"]) }

    private static func quantities(_ map: JSON) -> [String: Quantity] {
        var result: [String: Quantity] = [:]
        for (name, value) in map.object ?? JSONObject() { result[name] = Quantity(value) }
        return result
    }
}
