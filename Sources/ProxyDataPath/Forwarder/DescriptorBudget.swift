import Synchronization

/// Descriptors that may still be opened, and connections that may still be accepted, by all loops together.
final class DescriptorBudget: Sendable {
    private let descriptors: Atomic<Int>
    private let connections: Atomic<Int>

    init(descriptors: Int, connections: Int) {
        self.descriptors = Atomic(descriptors)
        self.connections = Atomic(connections)
    }

    var freeDescriptors: Int { descriptors.load(ordering: .relaxed) }

    /// Takes that many descriptors, or none.
    func take(_ count: Int) -> Bool { Self.take(count, of: descriptors) }
    func give(_ count: Int) { descriptors.add(count, ordering: .relaxed) }

    /// Takes a connection with its two descriptors, or nothing.
    func takeConnection() -> Bool {
        guard Self.take(1, of: connections) else { return false }
        if Self.take(2, of: descriptors) { return true }
        connections.add(1, ordering: .relaxed)
        return false
    }

    func giveConnection() {
        connections.add(1, ordering: .relaxed)
        descriptors.add(2, ordering: .relaxed)
    }

    private static func take(_ count: Int, of counter: borrowing Atomic<Int>) -> Bool {
        if counter.subtract(count, ordering: .relaxed).newValue >= 0 { return true }
        counter.add(count, ordering: .relaxed)
        return false
    }
}
