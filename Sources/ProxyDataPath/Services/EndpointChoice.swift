import KubeAPI

/// Which endpoints serve a port of a service, from the point of view of this node.
struct EndpointChoice: Sendable, Equatable {
    /// For whoever may go anywhere. Sorted, each once.
    var backends: [Backend] = []
    /// For local traffic policies. Sorted, each once.
    var localBackends: [Backend] = []
    /// Addresses of those in `backends` that are pods of this node, sorted, each once.
    var localAddresses: [IPAddress] = []
    /// There are endpoints that serve, wherever.
    var hasEndpoints = false

    init() {}

    private struct Candidate {
        let backend: Backend
        let member: EndpointPorts.Member
    }

    /// Ready endpoints; where there is none, those that still serve while they end. Of the ready ones those that are
    /// meant for this node, or for its zone, where all endpoints say for whom they are.
    init(
        _ name: ServicePortName, in slices: some Collection<EndpointPorts>, nodeName: String, zone: String?
    ) {
        var ready: [Candidate] = []
        var ending: [Candidate] = []
        for slice in slices where slice.family == name.family {
            for port in slice.ports where port.name == name.port && port.proto == name.proto {
                for member in slice.members {
                    let candidate = Candidate(
                        backend: Backend(address: member.address, port: port.number), member: member)
                    if member.isReady {
                        ready.append(candidate)
                    } else if member.isServing, member.isTerminating {
                        ending.append(candidate)
                    }
                }
            }
        }
        hasEndpoints = !ready.isEmpty || !ending.isEmpty
        guard hasEndpoints else { return }
        let chosen = ready.isEmpty ? ending : Self.nearest(ready, nodeName: nodeName, zone: zone)
        backends = Self.list(chosen)
        localAddresses = Self.list(chosen.filter(\.member.isLocal)).uniqueAddresses
        let readyHere = ready.filter(\.member.isLocal)
        localBackends = Self.list(readyHere.isEmpty ? ending.filter(\.member.isLocal) : readyHere)
    }

    private static func list(_ candidates: [Candidate]) -> [Backend] {
        var list = candidates.map(\.backend)
        list.sort()
        list.removeAdjacentDuplicates()
        return list
    }

    /// Hints count only where every endpoint has them, and where some endpoint is meant for us: a node whose zone nobody
    /// serves would lose the service.
    private static func nearest(_ ready: [Candidate], nodeName: String, zone: String?) -> [Candidate] {
        func chosen(_ hints: KeyPath<EndpointPorts.Member, [String]>, _ own: String?) -> [Candidate]? {
            guard let own, !own.isEmpty, ready.allSatisfy({ !$0.member[keyPath: hints].isEmpty }) else { return nil }
            let near = ready.filter { $0.member[keyPath: hints].contains(own) }
            return near.isEmpty ? nil : near
        }
        return chosen(\.nodes, nodeName) ?? chosen(\.zones, zone) ?? ready
    }
}

extension [Backend] {
    /// Of a sorted list: its addresses, each once.
    var uniqueAddresses: [IPAddress] {
        var addresses = map(\.address)
        addresses.removeAdjacentDuplicates()
        return addresses
    }
}
