import KubeAPI

/// How the slices of one service, family and set of ports come to hold what they should, with few writes: an endpoint
/// stays in its slice, and what is new goes first where something changes anyway (Kubernetes' reconciler does the same).
struct SlicePlan {
    /// As Kubernetes' default.
    static let endpointsPerSlice = 100

    struct Slice {
        /// Nil for a new one.
        var old: JSON?
        var endpoints: [JSON]
        var isChanged: Bool
    }

    /// Slices with their new content; those without endpoints are to go.
    private(set) var slices: [Slice] = []

    init(wanted: [JSON], present: [JSON]) {
        var missing = Dictionary(
            wanted.enumerated().map { (Self.identity($1), (order: $0, endpoint: $1)) },
            uniquingKeysWith: { first, _ in first })
        for old in present.sorted(by: { $0.name < $1.name }) {
            let before = old["endpoints"].items
            // What is there keeps its place, in its new state.
            let kept = before.compactMap { missing.removeValue(forKey: Self.identity($0))?.endpoint }
            slices.append(Slice(old: old, endpoints: kept, isChanged: kept != before))
        }
        var rest = missing.values.sorted { $0.order < $1.order }.map(\.endpoint)
        fillChanged(&rest)
        while !rest.isEmpty {
            let index = roomiest(for: rest.count) ?? addSlice()
            take(&rest, into: index)
        }
    }

    /// A pod is its uid; what is not a pod is its address.
    private static func identity(_ endpoint: JSON) -> String {
        let uid = endpoint["targetRef"]["uid"].stringValue
        return uid.isEmpty ? endpoint["addresses"][0].stringValue : uid
    }

    private mutating func fillChanged(_ rest: inout [JSON]) {
        // The fullest first, so that others can empty and go.
        let changed = slices.indices.filter { slices[$0].isChanged && !slices[$0].endpoints.isEmpty }
            .sorted { slices[$0].endpoints.count > slices[$1].endpoints.count }
        // An emptied one is written anyway, by being deleted: it is used again before a new one is made.
        let emptied = slices.indices.filter { slices[$0].isChanged && slices[$0].endpoints.isEmpty }
        for index in changed + emptied where !rest.isEmpty { take(&rest, into: index) }
    }

    /// The unchanged slice that what is left fits into with the least room to spare.
    private func roomiest(for count: Int) -> Int? {
        slices.indices
            .filter { !slices[$0].isChanged && slices[$0].endpoints.count + count <= Self.endpointsPerSlice }
            .max { slices[$0].endpoints.count < slices[$1].endpoints.count }
    }

    private mutating func addSlice() -> Int {
        slices.append(Slice(old: nil, endpoints: [], isChanged: true))
        return slices.count - 1
    }

    private mutating func take(_ rest: inout [JSON], into index: Int) {
        let count = min(rest.count, Self.endpointsPerSlice - slices[index].endpoints.count)
        guard count > 0 else { return }
        slices[index].endpoints += rest.prefix(count)
        slices[index].isChanged = true
        rest.removeFirst(count)
    }
}
