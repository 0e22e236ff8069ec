import KubeAPI
import Testing

@testable import NodeAgent

/// /etc/hosts and /etc/resolv.conf.
@Suite struct PodFilesTests {
    private func hosts(_ spec: String, ips: [String] = ["10.0.0.5"], node: String? = nil) throws -> String {
        let pod = try Sample.pod("{\(spec), containers: [{name: main, image: demo}]}")
        return String(
            decoding: PodFiles.hosts(
                pod: pod, podIPs: ips, clusterDomain: "cluster.local", nodeHosts: node.map { Array($0.utf8) }),
            as: UTF8.self)
    }

    @Test func thePodKnowsItsName() throws {
        let text = try hosts("hostAliases: [{ip: 1.2.3.4, hostnames: [a, b]}]")
        #expect(text.hasPrefix("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"))
        #expect(text.contains("\n10.0.0.5\tweb\n"))
        #expect(text.hasSuffix("\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"))
    }

    @Test func aSubdomainMakesAFullName() throws {
        #expect(try hosts("hostname: h, subdomain: sub").contains("10.0.0.5\th.sub.default.svc.cluster.local\th\n"))
    }

    @Test func onTheNodesNetworkTheNodesFileCounts() throws {
        #expect(
            try hosts("hostNetwork: true", node: "1.1.1.1 x\n")
                == "# Kubernetes-managed hosts file (host network).\n1.1.1.1 x\n")
    }

    private func resolver(_ spec: String, dns: [String] = ["10.96.0.10"]) throws -> PodFiles.Resolver {
        let pod = try Sample.pod("{\(spec), containers: [{name: main, image: demo}]}")
        let node = PodFiles.Resolver(parsing: Array("# x\nnameserver 9.9.9.9\nsearch corp\noptions edns0\n".utf8))
        return PodFiles.resolver(pod: pod, node: node, clusterDNS: dns, clusterDomain: "cluster.local")
    }

    @Test func namesOfTheCluster() throws {
        let resolver = try resolver("dnsPolicy: ClusterFirst")
        #expect(resolver.nameservers == ["10.96.0.10"])
        #expect(resolver.searches == ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp"])
        #expect(resolver.options == ["ndots:5"])
        #expect(
            String(decoding: resolver.bytes, as: UTF8.self)
                == "search default.svc.cluster.local svc.cluster.local cluster.local corp\nnameserver 10.96.0.10\noptions ndots:5\n"
        )
    }

    @Test(arguments: ["dnsPolicy: Default", "dnsPolicy: ClusterFirst, hostNetwork: true"])
    func namesOfTheNode(spec: String) throws {
        let resolver = try resolver(spec)
        #expect(resolver.nameservers == ["9.9.9.9"] && resolver.searches == ["corp"] && resolver.options == ["edns0"])
    }

    @Test func withoutAClusterDNSTheNodesNamesServe() throws {
        #expect(try resolver("dnsPolicy: ClusterFirst", dns: []).nameservers == ["9.9.9.9"])
    }

    @Test func aPodsOwnSettings() throws {
        let resolver = try resolver(
            "dnsPolicy: None, dnsConfig: {nameservers: [1.1.1.1], searches: [x], options: [{name: ndots, value: '2'}, {name: rotate}]}"
        )
        #expect(
            resolver.nameservers == ["1.1.1.1"] && resolver.searches == ["x"]
                && resolver.options == ["ndots:2", "rotate"])
    }

    @Test(arguments: [
        ("", 15), ("SIGQUIT", 3), ("quit", 3), ("9", 9), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("NOPE", 15), ("99", 15),
    ])
    func stopSignals(text: String, number: Int32) {
        #expect(StopSignal.number(text) == number)
    }
}
