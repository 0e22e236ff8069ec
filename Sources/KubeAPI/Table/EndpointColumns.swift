/// Cells of Endpoints and EndpointSlices.
enum EndpointColumns {
    /// `10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 3 more...`; empty where no address is ready.
    @Sendable static func endpoints(_ object: JSON) -> String {
        let subsets = object["subsets"].items
        guard !subsets.isEmpty else { return "<none>" }
        var shown: [String] = []
        var count = 0
        for subset in subsets {
            let addresses = subset["addresses"].items
            // Headless services may have no ports.
            let ports = subset["ports"].items.isEmpty ? [nil] : subset["ports"].items.map { $0["port"].int ?? 0 }
            for port in ports {
                count += addresses.count
                for address in addresses.prefix(3 - shown.count) {
                    let ip = address["ip"].stringValue
                    shown.append(port.map { ip.contains(":") ? "[\(ip)]:\($0)" : "\(ip):\($0)" } ?? ip)
                }
            }
        }
        return TableColumn.limited(shown, count: count)
    }

    @Sendable static func slicePorts(_ slice: JSON) -> String {
        let ports = slice["ports"].items.map { $0["port"].int.map(String.init) ?? $0["name"].string ?? "*" }
        return orUnset(TableColumn.limited(ports, count: ports.count))
    }

    @Sendable static func sliceEndpoints(_ slice: JSON) -> String {
        let addresses = slice["endpoints"].items.flatMap { $0["addresses"].items.compactMap(\.string) }
        return orUnset(TableColumn.limited(addresses, count: addresses.count))
    }

    private static func orUnset(_ text: String) -> String { text.isEmpty ? "<unset>" : text }
}
