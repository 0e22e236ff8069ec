/// The elements of a list by what identifies them, in the list's order.
struct ListElements {
    struct Element {
        let name: String
        var value: JSON
        /// All values of that identity, where there are several: as objects may hold them that were not applied.
        var all: [JSON]?
    }

    private(set) var elements: [Element] = []
    /// Positions by name, in a list that is long enough for it to pay.
    private var index: [String: Int]?
    private static let indexThreshold = 24

    /// Nil where an element has no identity.
    init?(_ values: [JSON], _ identity: (JSON) -> String?) {
        elements.reserveCapacity(values.count)
        if values.count > Self.indexThreshold { index = [String: Int](minimumCapacity: values.count) }
        for value in values {
            guard let name = identity(value) else { return nil }
            if let earlier = position(of: name) {
                elements[earlier].all = (elements[earlier].all ?? [elements[earlier].value]) + [value]
                continue
            }
            index?[name] = elements.count
            elements.append(Element(name: name, value: value))
        }
    }

    /// - Parameter guess: where it most often is.
    func position(of name: String, guess: Int = 0) -> Int? {
        if guess < elements.count, elements[guess].name == name { return guess }
        if let index { return index[name] }
        return elements.firstIndex { $0.name == name }
    }
}
