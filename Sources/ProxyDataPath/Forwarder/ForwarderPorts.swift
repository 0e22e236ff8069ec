import KubeAPI

/// Numbers of what the loops keep, given out by the one thread that tells them.
struct NumberStock {
    private var next: Int32 = 0
    private var free: [Int32] = []

    mutating func take() -> Int32 {
        if let number = free.popLast() { return number }
        defer { next += 1 }
        return next
    }

    mutating func give(_ number: Int32) { free.append(number) }
}

/// Numbers of pools: a place in the loops' tables, and above it a generation, so that a connection that still looks for
/// an endpoint of a service that has gone does not find another service's.
struct PoolNumbers {
    /// Services ports times kinds of clients: as many as the data of an event can tell apart.
    static let limit: Int32 = ForwarderLoop.poolIndexMask

    private var places = NumberStock()
    private var generations: [Int32] = []

    /// Nil where the limit is reached.
    mutating func take() -> Int32? {
        let place = places.take()
        guard place < Self.limit else {
            places.give(place)
            return nil
        }
        while generations.count <= Int(place) { generations.append(0) }
        generations[Int(place)] = (generations[Int(place)] + 1) & 0x7ff
        return generations[Int(place)] << ForwarderLoop.poolIndexBits | place
    }

    mutating func give(_ number: Int32) { places.give(number & ForwarderLoop.poolIndexMask) }
}

/// Kinds of clients, by the endpoints that they are given.
enum ClientKind: Int, CaseIterable {
    /// Clients of virtual addresses, wherever they are.
    case inside
    /// Clients outside the cluster, at node ports and external addresses.
    case outside
    /// Pods and nodes at those same places.
    case detour
}

extension ServicePortState {
    /// The endpoints for that kind of clients.
    func backends(for kind: ClientKind) -> [Backend] {
        switch kind {
        case .inside: fronts.contains { !$0.isExternal && $0.isLocal } ? localBackends : backends
        case .outside: fronts.contains { $0.isExternal && $0.isLocal } ? localBackends : backends
        case .detour: backends
        }
    }

    /// The kinds of clients that come to a front: all that are not told apart, and those of the cluster where they are.
    func kinds(at front: Front) -> (all: ClientKind, cluster: ClientKind?) {
        guard front.isExternal else { return (.inside, nil) }
        return front.isLocal ? (.outside, .detour) : (.outside, nil)
    }
}
