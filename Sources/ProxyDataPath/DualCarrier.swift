import Kernel
import KubeAPI

/// Carries services of both families, each by a table of its own: what fails in one does not keep the other from going
/// on.
struct DualCarrier: ServiceCarrier {
    let parts: [NftablesProxy]

    func start(_ changes: [ServiceChange]) throws(KernelError) {
        try each { (part: NftablesProxy) throws(KernelError) in try part.start(Self.changes(changes, part.family)) }
    }

    func apply(_ changes: [ServiceChange]) throws(KernelError) {
        try each { (part: NftablesProxy) throws(KernelError) in try part.apply(Self.changes(changes, part.family)) }
    }

    /// All are tried; the first failure counts.
    private func each(_ body: (NftablesProxy) throws(KernelError) -> Void) throws(KernelError) {
        var failure: KernelError?
        for part in parts {
            do throws(KernelError) { try body(part) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    /// A service that has nothing of a family goes from its table, if it was there.
    private static func changes(_ changes: [ServiceChange], _ family: IPAddress.Family) -> [ServiceChange] {
        changes.map { ServiceChange(service: $0.service, ports: $0.ports.filter { $0.name.family == family }) }
    }

    func takeProblems() -> [String] { parts.flatMap { $0.takeProblems() } }
    var wantsRetry: Bool { parts.contains(where: \.wantsRetry) }
    func setNodePortAddresses(_ addresses: [IPAddress]) { for part in parts { part.setNodePortAddresses(addresses) } }
    func distrust() { for part in parts { part.distrust() } }
    func programmed(_ service: String?) -> [ProgrammedService] { parts.flatMap { $0.programmed(service) } }
    func stop() { for part in parts { part.stop() } }
}
