import Synchronization

/// Which pull of this process has which layer in hand, so that two images that share layers fetch them once.
///
/// A pull claims all its layers at once, and only waits for pulls that have claimed theirs before: no two wait for each
/// other.
final class LayerFlights: Sendable {
    struct Flight: Hashable, Sendable { fileprivate let id: UInt64 }

    private struct State {
        var nextID: UInt64 = 0
        /// By the layer's diff id.
        var owners: [String: Flight] = [:]
        var ends: [Flight: [CheckedContinuation<Void, Never>]] = [:]
    }
    private let state = Mutex(State())

    func begin() -> Flight {
        state.withLock { state in
            state.nextID += 1
            let flight = Flight(id: state.nextID)
            state.ends[flight] = []
            return flight
        }
    }

    /// - Returns: the layers that are the flight's to fetch, and the flights that have the others in hand.
    func claim(_ layers: Set<String>, for flight: Flight) -> (mine: Set<String>, others: Set<Flight>) {
        state.withLock { state in
            var mine: Set<String> = []
            var others: Set<Flight> = []
            for layer in layers {
                if let owner = state.owners[layer], owner != flight {
                    others.insert(owner)
                } else {
                    state.owners[layer] = flight
                    mine.insert(layer)
                }
            }
            return (mine, others)
        }
    }

    /// Waits until these have ended, however.
    func wait(for flights: Set<Flight>) async throws {
        for flight in flights {
            try Task.checkCancellation()
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.ends[flight] != nil else { return true }
                    state.ends[flight]?.append(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        }
        try Task.checkCancellation()
    }

    func end(_ flight: Flight) {
        let waiting = state.withLock { state in
            state.owners = state.owners.filter { $0.value != flight }
            return state.ends.removeValue(forKey: flight) ?? []
        }
        for continuation in waiting { continuation.resume() }
    }
}
