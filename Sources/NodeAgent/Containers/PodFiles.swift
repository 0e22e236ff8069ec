import KubeAPI

/// The three files of a pod that tell its processes who and where they are: hosts, hostname, resolv.conf. Pure text.
enum PodFiles {
    /// /etc/hosts (kubernetes pkg/kubelet, `ensureHostsFile`).
    /// - Parameter nodeHosts: the node's own file, for pods on the host's network.
    static func hosts(pod: Pod, podIPs: [String], clusterDomain: String, nodeHosts: [UInt8]?) -> [UInt8] {
        var text: String
        if pod.hostNetwork, let nodeHosts {
            text = "# Kubernetes-managed hosts file (host network).\n" + String(decoding: nodeHosts, as: UTF8.self)
        } else {
            text = """
                # Kubernetes-managed hosts file.
                127.0.0.1\tlocalhost
                ::1\tlocalhost ip6-localhost ip6-loopback
                fe00::0\tip6-localnet
                fe00::0\tip6-mcastprefix
                fe00::1\tip6-allnodes
                fe00::2\tip6-allrouters

                """
            let subdomain = pod.spec["subdomain"].stringValue
            for address in podIPs {
                if subdomain.isEmpty {
                    text += "\(address)\t\(pod.hostname)\n"
                } else {
                    let domain = "\(pod.hostname).\(subdomain).\(pod.namespace).svc.\(clusterDomain)"
                    text += "\(address)\t\(domain)\t\(pod.hostname)\n"
                }
            }
        }
        let aliases = pod.spec["hostAliases"].items
        if !aliases.isEmpty {
            text += "\n# Entries added by HostAliases.\n"
            for alias in aliases {
                let names = alias["hostnames"].items.compactMap(\.string).joined(separator: "\t")
                text += "\(alias["ip"].stringValue)\t\(names)\n"
            }
        }
        return Array(text.utf8)
    }

    /// What resolv.conf says.
    struct Resolver: Equatable {
        var nameservers: [String] = []
        var searches: [String] = []
        var options: [String] = []

        init() {}

        init(parsing bytes: [UInt8]) {
            for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
                let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
                guard let keyword = words.first else { continue }
                switch keyword {
                case "nameserver": if words.count > 1 { nameservers.append(words[1]) }
                case "search", "domain": searches = Array(words.dropFirst())
                case "options": options = Array(words.dropFirst())
                default: break
                }
            }
        }

        var bytes: [UInt8] {
            var text = ""
            if !searches.isEmpty { text += "search \(searches.joined(separator: " "))\n" }
            for nameserver in nameservers { text += "nameserver \(nameserver)\n" }
            if !options.isEmpty { text += "options \(options.joined(separator: " "))\n" }
            return Array(text.utf8)
        }
    }

    /// Limits of glibc and Kubernetes: what is beyond is left out.
    static let nameserverLimit = 3
    static let searchLimit = 32

    /// /etc/resolv.conf by `dnsPolicy` and `dnsConfig`. Without a cluster DNS every policy but None is the node's.
    static func resolver(pod: Pod, node: Resolver, clusterDNS: [String], clusterDomain: String) -> Resolver {
        let policy = pod.spec["dnsPolicy"].string ?? "ClusterFirst"
        var resolver = Resolver()
        switch policy {
        case "None":
            break
        case "Default":
            resolver = node
        default:
            let isCluster = !clusterDNS.isEmpty && !(policy == "ClusterFirst" && pod.hostNetwork)
            if isCluster {
                resolver.nameservers = clusterDNS
                resolver.searches = ["\(pod.namespace).svc.\(clusterDomain)", "svc.\(clusterDomain)", clusterDomain]
                for search in node.searches where !resolver.searches.contains(search) {
                    resolver.searches.append(search)
                }
                resolver.options = ["ndots:5"]
            } else {
                resolver = node
            }
        }
        let config = pod.spec["dnsConfig"]
        for server in config["nameservers"].items.compactMap(\.string) where !resolver.nameservers.contains(server) {
            resolver.nameservers.append(server)
        }
        for search in config["searches"].items.compactMap(\.string) where !resolver.searches.contains(search) {
            resolver.searches.append(search)
        }
        for option in config["options"].items {
            let name = option["name"].stringValue
            resolver.options.removeAll { $0 == name || $0.hasPrefix(name + ":") }
            resolver.options.append(option["value"].string.map { "\(name):\($0)" } ?? name)
        }
        resolver.nameservers = Array(resolver.nameservers.prefix(nameserverLimit))
        resolver.searches = Array(resolver.searches.prefix(searchLimit))
        return resolver
    }
}
