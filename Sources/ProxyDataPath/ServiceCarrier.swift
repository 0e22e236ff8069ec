import Kernel

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
    func stop()
}
