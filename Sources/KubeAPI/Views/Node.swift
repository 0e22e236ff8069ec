/// A node.
public struct Node: ResourceView {
    public var json: JSON
    public init(_ json: JSON) { self.json = json }

    public var spec: JSON { json["spec"] }
    public var status: JSON { json["status"] }
    public var podCIDR: String? { spec["podCIDR"].string.nonEmpty }
    /// One range for each family.
    public var podCIDRs: [String] {
        let all = spec["podCIDRs"].items.compactMap(\.string)
        return all.isEmpty ? podCIDR.map { [$0] } ?? [] : all
    }
    public var isUnschedulable: Bool { spec["unschedulable"].bool ?? false }
    public var taints: [JSON] { spec["taints"].items }
    public var isReady: Bool { condition("Ready")?["status"].string == "True" }
    public func condition(_ type: String) -> JSON? { status["conditions"].items.first { $0["type"].string == type } }
    /// The first address of that type: `InternalIP`, `Hostname`.
    public func address(_ type: String) -> String? {
        status["addresses"].items.first { $0["type"].string == type }?["address"].string
    }
    /// What pods may use in all.
    public var allocatable: [String: Quantity] { status["allocatable"].quantities }
    public var capacity: [String: Quantity] { status["capacity"].quantities }
}
