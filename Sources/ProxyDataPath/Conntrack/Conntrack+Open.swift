import CNetfilter
import Glibc
import Kernel
import KubeAPI

extension Conntrack {
    /// Open connections of one service to one backend.
    struct Served: Hashable, Sendable {
        /// By which the mark knows the service.
        let id: UInt32
        let backend: Backend
    }

    /// TCP connections that end at one of the addresses and are being opened or open. Those that are closing are not
    /// counted: whoever closed has what it wanted.
    func openConnections(to addresses: [IPAddress]) throws(KernelError) -> Int {
        var count = 0
        for address in addresses where address.family == family {
            count += try entries(repliesFrom: address, proto: .tcp) { $0.isOpening || $0.isOpen }.count
        }
        return count
    }

    /// How many flows each backend serves for each service.
    func served(_ layout: MarkLayout) throws(KernelError) -> [Served: Int] {
        var served: [Served: Int] = [:]
        for entry in try entries(where: { $0.isTranslated && ($0.original.proto != 6 || $0.isOpen) }) {
            let backend = Backend(address: entry.reply.source, port: entry.reply.sourcePort)
            served[Served(id: layout.id(of: entry.mark), backend: backend), default: 0] += 1
        }
        return served
    }
}
