import KubeAPI

/// Where a connection to a service ends: an address and a port of an endpoint.
struct Backend: Hashable, Comparable, Sendable, CustomStringConvertible {
    var address: IPAddress
    var port: UInt16

    static func < (left: Backend, right: Backend) -> Bool {
        left.address == right.address ? left.port < right.port : left.address < right.address
    }

    var description: String { address.isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}
