import KubeAPI
import SwiftASN1
import X509

/// The leaves of the cluster's CA, by the names of their files.
public enum PKIIdentity: String, CaseIterable, Sendable {
    /// What the API server shows to its clients.
    case apiserver
    /// As whom the API server calls kubelets.
    case apiserverKubeletClient = "apiserver-kubelet-client"
    case admin
    /// What the kubelet shows to callers of its node API.
    case kubelet
    /// As whom the kubelet calls the API server, and, where it has this one alone, what it shows to callers.
    case node
    case scheduler
    case controllerManager = "controller-manager"
    case proxy
    case dns
}

/// What a leaf says. One that says something else than its profile is issued anew.
struct CertificateProfile: Sendable, Equatable {
    enum Usage: Sendable {
        case client, server
        /// A node has one certificate for both directions, so that joining takes one file.
        case both

        var extended: [ExtendedKeyUsage.Usage] {
            switch self {
            case .client: [.clientAuth]
            case .server: [.serverAuth]
            case .both: [.clientAuth, .serverAuth]
            }
        }
    }

    var commonName: String
    var organizations: [String] = []
    var usage: Usage
    /// In the order in which they are written.
    var dnsNames: [String] = []
    var addresses: [IPAddress] = []

    var subject: DistinguishedName {
        get throws {
            // Kubernetes' own certificates have the groups before the name.
            try DistinguishedName {
                for organization in organizations { OrganizationName(organization) }
                CommonName(commonName)
            }
        }
    }

    var alternativeNames: SubjectAlternativeNames {
        SubjectAlternativeNames(
            dnsNames.map { .dnsName($0) }
                + addresses.map { .ipAddress(ASN1OctetString(contentBytes: $0.bytes[...])) })
    }

    /// Whether a certificate says what this profile says.
    func matches(_ certificate: Certificate) throws -> Bool {
        guard try certificate.subject == subject else { return false }
        guard let usages = try certificate.extensions.extendedKeyUsage,
            Set(usages) == Set(usage.extended)
        else { return false }
        let names = try certificate.extensions.subjectAlternativeNames
        return Set(names.map { Array($0) } ?? []) == Set(alternativeNames)
    }
}

/// What the leaves are to say, for one cluster and node.
struct CertificateProfiles: Sendable {
    let nodeName: String
    /// DNS names of the API server beyond the usual ones.
    let serverNames: [String]
    /// The node's addresses and the first address of the service range.
    let addresses: [IPAddress]

    func profile(of identity: PKIIdentity) -> CertificateProfile {
        func client(_ name: String, _ organizations: [String] = []) -> CertificateProfile {
            CertificateProfile(commonName: name, organizations: organizations, usage: .client)
        }
        let loopback = [IPAddress(ipv4: 0x7f00_0001), IPAddress(ipv6: 1)]
        switch identity {
        case .apiserver:
            return CertificateProfile(
                commonName: "kube-apiserver", usage: .server,
                dnsNames: unique(
                    [
                        "localhost", nodeName, "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                        "kubernetes.default.svc.cluster.local",
                    ] + serverNames),
                addresses: unique(loopback + addresses))
        case .kubelet:
            return CertificateProfile(
                commonName: UserInfo.nodePrefix + nodeName, organizations: [UserInfo.nodesGroup], usage: .server,
                dnsNames: unique([nodeName, "localhost"]), addresses: unique(loopback + addresses))
        case .apiserverKubeletClient: return client("kube-apiserver-kubelet-client", [UserInfo.mastersGroup])
        case .admin: return client("swiftlet-admin", [UserInfo.mastersGroup])
        case .node: return Self.node(nodeName, addresses: unique(loopback + addresses))
        case .scheduler: return client(UserInfo.scheduler.name)
        case .controllerManager: return client(UserInfo.controllerManager.name)
        case .proxy: return client(UserInfo.proxy.name)
        case .dns:
            return client(
                UserInfo.dns.name, UserInfo.dns.groups.filter { $0 != UserInfo.authenticatedGroup })
        }
    }

    /// The one certificate of a node. Callers of its API go by its name: its addresses may change.
    static func node(_ name: String, addresses: [IPAddress]) -> CertificateProfile {
        CertificateProfile(
            commonName: UserInfo.nodePrefix + name, organizations: [UserInfo.nodesGroup], usage: .both,
            dnsNames: name == "localhost" ? [name] : [name, "localhost"],
            // A name may be an address, and is then looked for among those.
            addresses: addresses + [IPAddress(name)].compactMap(\.self).filter { !addresses.contains($0) })
    }

    private func unique<Element: Hashable>(_ elements: [Element]) -> [Element] {
        var seen: Set<Element> = []
        return elements.filter { seen.insert($0).inserted }
    }
}
