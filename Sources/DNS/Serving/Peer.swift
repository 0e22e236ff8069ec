import KubeAPI
import Kernel

extension SocketPeer {
    init(_ address: IPAddress, port: Int) { self.init(bytes: address.bytes, port: UInt16(clamping: port)) }

    /// 4 or 16 bytes always make an address.
    var ip: IPAddress { IPAddress(bytes: bytes) ?? IPAddress(ipv4: 0) }
}
