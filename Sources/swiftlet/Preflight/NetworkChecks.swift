import Glibc
import Kernel
import ProxyDataPath

/// What the network of pods and services is made of. Tried in a network namespace that is thrown away.
enum NetworkChecks {
    typealias Finding = Preflight.Finding

    static func all() -> [Finding] { [links(), rules(), forwarding(), uplink(), secondFamily()] }

    private static func links() -> Finding {
        do throws(KernelError) {
            let near = try NetworkNamespace.make()
            let far = try NetworkNamespace.make()
            try Rtnetlink(in: near).execute { batch in
                batch.addVeth(
                    .init(name: "near"), peer: .init(name: "far"), peerNamespace: far.descriptor.raw, mtu: 1500)
            }
        } catch {
            return .failure("veth", "\(error)", "run as root, with a kernel that has CONFIG_NET_NS and CONFIG_VETH")
        }
        return .ok("veth", "pairs of links join network namespaces")
    }

    private static func rules() -> Finding {
        guard let reason = ServiceProxy.nftablesProblem() else {
            return .ok("nftables", "services become rules of the kernel")
        }
        return .warning(
            "nftables", reason,
            "services are forwarded in userspace instead (slower; pods have no way out): modprobe nf_tables nft_chain_nat"
        )
    }

    private static func forwarding() -> Finding {
        KernelFile.readIfPresent("/proc/sys/net/ipv4/ip_forward") == "1"
            ? .ok("forwarding", "net.ipv4.ip_forward is 1")
            : .ok("forwarding", "net.ipv4.ip_forward is 0 and will be set (swiftlet reset puts it back)")
    }

    /// Of use where the cluster has ranges of both families.
    private static func secondFamily() -> Finding {
        if let setting = NodeAddress.settingThatDisablesIPv6() {
            return .ok("IPv6", "the kernel does none (\(setting)): pods and services have IPv4 alone")
        }
        guard let reason = ServiceProxy.nftablesProblem(isIPv6: true) else {
            return .ok("IPv6", "pods and services can have IPv6 addresses (--cluster-cidr, --service-cidr)")
        }
        return .warning(
            "IPv6", reason, "in a cluster with IPv6 all services are forwarded in userspace: modprobe nf_tables")
    }

    private static func uplink() -> Finding {
        do throws(KernelError) {
            guard let source = try Rtnetlink().defaultRouteSource() else {
                return .warning(
                    "uplink", "there is no default route",
                    "pods reach each other and services, but nothing outside; --node-ip gives the node an address")
            }
            return .ok("uplink", "the node's address is \(source)")
        } catch {
            return .failure("uplink", "\(error)", "run as root")
        }
    }
}
