/// Gives the backends of a service their slots, 0 up to one less than their number, with as few changes as can be: new
/// ones fill the gaps of those that went, and the last slots move into the gaps that are left.
enum SlotAssignment {
    /// - Parameters:
    ///   - slots: as they are; nil where a slot is unknown.
    ///   - wanted: sorted, each once.
    static func assign(_ slots: [Backend?], _ wanted: [Backend]) -> [Backend] {
        guard !slots.isEmpty else { return wanted }
        // Sorted lists are compared side by side: a service of thousands changes by one at a time.
        let present = slots.enumerated().compactMap { entry in entry.element.map { (backend: $0, slot: entry.offset) } }
            .sorted { $0.backend < $1.backend }
        var result = slots
        var added: [Backend] = []
        var position = 0
        for backend in wanted {
            while position < present.count, present[position].backend < backend {
                result[present[position].slot] = nil
                position += 1
            }
            if position < present.count, present[position].backend == backend {
                position += 1
                // The same twice, in a state that somebody spoiled: the first counts.
                while position < present.count, present[position].backend == backend {
                    result[present[position].slot] = nil
                    position += 1
                }
            } else {
                added.append(backend)
            }
        }
        for entry in present[position...] { result[entry.slot] = nil }

        var next = added.startIndex
        for slot in result.indices where result[slot] == nil && next < added.endIndex {
            result[slot] = added[next]
            next += 1
        }
        result += added[next...].map { Optional($0) }
        while let last = result.last, last == nil { result.removeLast() }
        for slot in result.indices {
            while let last = result.last, last == nil { result.removeLast() }
            guard slot < result.count else { break }
            if result[slot] == nil { result[slot] = result.removeLast() }
        }
        return result.compactMap(\.self)
    }
}
