import Kernel
import KubeAPI

/// What carries connections to services: rules of nf_tables, or the forwarder. Both are fed alike.
protocol ServiceCarrier: Sendable {
    /// The first changes are all services that there are: what is left of an earlier run goes by them.
    func start(_ changes: [ServiceChange]) throws(KernelError)
    /// Makes these changes. After a failure the next call makes them again with its own.
    func apply(_ changes: [ServiceChange]) throws(KernelError)
    /// What could not be done as wanted, by service port: once for each.
    func takeProblems() -> [String]
    /// Something could not be had yet that may be free later: it wants to be called again, if only with no changes.
    var wantsRetry: Bool { get }
    /// The addresses of the node on which node ports are answered, whenever they change.
    func setNodePortAddresses(_ addresses: [IPAddress])
    /// Somebody may have spoilt what carries services: the next change looks after it.
    func distrust()
    /// Connections to these addresses that it holds by itself, and that nobody has begun to close.
    func openConnections(to addresses: [IPAddress]) -> Int
    /// What is programmed for the ports of a service, or of all.
    func programmed(_ service: String?) -> [ProgrammedService]
    func stop()
}

extension ServiceCarrier {
    func setNodePortAddresses(_ addresses: [IPAddress]) {}
    func distrust() {}
    func openConnections(to addresses: [IPAddress]) -> Int { 0 }
    func programmed(_ service: String?) -> [ProgrammedService] { [] }
}

/// One service port as it is carried, for people.
struct ProgrammedService: Sendable {
    let name: ServicePortName
    let fronts: [Front]
    let backends: [Backend]
    let localBackends: [Backend]
    /// Addresses of endpoints that are pods of this node.
    let localAddresses: [IPAddress]
    let affinitySeconds: Int?
    /// By what the port is known in connection marks; empty where connections have none.
    let ids: [UInt32]
}
