extension Schema {
    /// What strict decoding says of a JSON body: `unknown field "spec.x"`, `duplicate field "spec.y"`, in the order in
    /// which Go's decoder meets them, at most 100.
    ///
    /// - Parameter unknown: what `prune` removed.
    /// - Parameter duplicates: what `JSON.parse` found. Those within unknown fields are left out, as Go's decoder does not
    ///   look into these.
    public static func strictErrors(_ body: [UInt8], unknown: [String], duplicates: [String]) -> [String] {
        if duplicates.isEmpty { return unknown.prefix(maxUnknownFields).map { "unknown field \"\($0)\"" } }
        let places = JSON.places(of: Set(unknown + duplicates), in: body)
        var errors: [(place: Int, text: String)] = []
        for path in unknown { errors.append((places[path]?.first ?? .max, "unknown field \"\(path)\"")) }
        var seen: Set<String> = []
        for path in duplicates where seen.insert(path).inserted {
            if unknown.contains(where: { path == $0 || path.hasPrefix("\($0).") || path.hasPrefix("\($0)[") }) {
                continue
            }
            errors.append((places[path]?.last ?? .max, "duplicate field \"\(path)\""))
        }
        return errors.sorted { $0.place < $1.place }.prefix(maxUnknownFields).map(\.text)
    }
}
