import Crypto
import KubeAPI
import Logging
import Synchronization
import Transport
import X509

/// The cluster's certificates: a CA for ten years and a leaf per identity for one, under `<data-dir>/pki`, and the
/// administrator's kubeconfig.
///
/// Made where they are missing; leaves are renewed when two thirds of their life are over or their names have changed,
/// keeping their keys, so that a crash between two files never leaves a pair that does not match. What is there and
/// unusable is an error: a CA that were replaced silently would lock out everybody who trusts the old one.
public final class ClusterPKI: Sendable {
    /// A certificate with its key, in PEM.
    public struct Pair: Sendable {
        public let certificate: [UInt8]
        public let privateKey: [UInt8]
    }

    private struct Leaf: Sendable {
        var certificate: Certificate
        var pair: Pair
    }

    /// The CA's certificate in PEM.
    public let authority: [UInt8]
    /// Signs tokens of service accounts.
    public let tokenKey: TokenKey
    /// The SHA-256 of the CA's certificate in hexadecimal: what tells clusters apart.
    public var fingerprint: String { Self.fingerprint(authority) }

    /// The same of a data folder whose server does not run. Throws `PKIError` where there is none yet.
    public static func fingerprint(dataDir: String) throws -> String {
        let files = CertificateFiles(directory: "\(dataDir)/pki")
        guard let authority = try files.certificate("ca") else {
            throw PKIError("cannot find the cluster's CA: there is no \(files.certificatePath("ca"))")
        }
        return fingerprint(try CertificateFiles.pem(authority))
    }

    private static func fingerprint(_ authority: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let hexadecimal = SHA256.hash(data: authority).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: hexadecimal, as: UTF8.self)
    }

    /// Where the administrator's kubeconfig lies.
    public let adminKubeconfigPath: String
    /// What the API server serves with: live, renewed certificates are taken over.
    public let serverTLS: ServerTLS
    /// What the kubelet's node API serves with: live, too.
    public let kubeletServerTLS: ServerTLS

    /// Whether components of other processes get a kubeconfig each.
    let servesComponents = OnceFlag()
    private let ca: CertificateAuthority
    private let files: CertificateFiles
    private let profiles: CertificateProfiles
    private let securePort: Int
    private let log: Logger
    private let now: @Sendable () -> Timestamp
    private let leaves: Mutex<[PKIIdentity: Leaf]>

    /// Loads what is there, makes what is missing. `serverNames` are DNS names of the API server beyond the usual
    /// ones (localhost, the node's name, kubernetes…); `addresses` the node's and the first of the service range.
    /// Throws `PKIError`, which names the file and the cause.
    public static func open(
        dataDir: String, serverNames: [String] = [], addresses: [IPAddress], nodeName: String, securePort: Int = 6443,
        log: Logger
    ) throws -> ClusterPKI {
        try ClusterPKI(
            dataDir: dataDir,
            profiles: CertificateProfiles(nodeName: nodeName, serverNames: serverNames, addresses: addresses),
            securePort: securePort, log: log, now: Timestamp.now)
    }

    init(
        dataDir: String, profiles: CertificateProfiles, securePort: Int, log: Logger,
        now: @escaping @Sendable () -> Timestamp
    ) throws {
        let directory = "\(dataDir)/pki"
        try PrivateFile.makeDirectory(directory)
        files = CertificateFiles(directory: directory)
        self.profiles = profiles
        self.securePort = securePort
        self.log = log
        self.now = now
        adminKubeconfigPath = "\(dataDir)/admin.kubeconfig"
        let ca = try Self.openAuthority(files, now: now(), log: log)
        self.ca = ca
        authority = try CertificateFiles.pem(ca.certificate)
        tokenKey = TokenKey(try Self.openTokenKey(files))
        var leaves: [PKIIdentity: Leaf] = [:]
        for identity in PKIIdentity.allCases {
            leaves[identity] = try Self.openLeaf(
                identity, profiles.profile(of: identity), files: files, ca: ca, now: now(), log: log)
        }
        serverTLS = try Self.makeServerTLS(leaves[.apiserver], authority)
        kubeletServerTLS = try Self.makeServerTLS(leaves[.kubelet], authority)
        self.leaves = Mutex(leaves)
        try writeAdminKubeconfig()
    }

    // MARK: use

    /// The identity's certificate and key, as of now.
    public func pair(_ identity: PKIIdentity) -> Pair {
        // All identities are there from the beginning.
        leaves.withLock { $0[identity]?.pair } ?? Pair(certificate: [], privateKey: [])
    }

    /// How that identity connects to servers of this cluster, as of now.
    /// - Parameter serverName: what the server must be called in its certificate; nil: as in the URL.
    public func clientTLS(_ identity: PKIIdentity, serverName: String? = nil) throws -> ClientTLS {
        let pair = pair(identity)
        return try ClientTLS(
            authorities: authority, certificateChain: pair.certificate, privateKey: pair.privateKey,
            serverName: serverName)
    }

    /// A kubeconfig by which that identity reaches the API server of this machine.
    public func kubeconfig(
        _ identity: PKIIdentity, named name: String = "swiftlet", server: String? = nil
    ) -> Kubeconfig {
        let pair = pair(identity)
        return Kubeconfig(
            name: name, server: server ?? "https://127.0.0.1:\(securePort)", certificateAuthority: authority,
            clientCertificate: pair.certificate, clientKey: pair.privateKey)
    }

    // MARK: renewal

    /// Renews the leaves that have lived for two thirds of their life. Returns those that were renewed; new
    /// connections of the servers show the new ones at once.
    @discardableResult
    public func renewIfNeeded() throws -> [PKIIdentity] {
        var renewed: [PKIIdentity] = []
        for identity in PKIIdentity.allCases {
            guard let leaf = leaves.withLock({ $0[identity] }), Self.isDue(leaf.certificate, now: now()) else {
                continue
            }
            let fresh = try Self.openLeaf(
                identity, profiles.profile(of: identity), files: files, ca: ca, now: now(), log: log)
            leaves.withLock { $0[identity] = fresh }
            renewed.append(identity)
        }
        if renewed.contains(.apiserver) { try Self.reload(serverTLS, pair(.apiserver), authority) }
        if renewed.contains(.kubelet) { try Self.reload(kubeletServerTLS, pair(.kubelet), authority) }
        if renewed.contains(.admin) { try writeAdminKubeconfig() }
        if !renewed.isEmpty, servesComponents.isSet { try writeComponentKubeconfigs() }
        return renewed
    }

    /// Renews as long as the task lives, looking twice a day.
    public func run() async {
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: .seconds(12 * 3_600))
                try renewIfNeeded()
            } catch is CancellationError {
                return
            } catch {
                log.error("cannot renew certificates", metadata: ["err": "\(error)"])
            }
        }
    }

    private func writeAdminKubeconfig() throws { try write(kubeconfig(.admin), to: adminKubeconfigPath) }

    /// Leaves a file alone that says the same.
    func write(_ kubeconfig: Kubeconfig, to path: String) throws {
        let bytes = kubeconfig.serialized()
        do throws(PrivateFile.Failure) {
            if try PrivateFile.read(path) == bytes { return }
        } catch {
            guard error.isMissing else { throw PKIError(error.description) }
        }
        try PrivateFile.write(bytes, to: path)
    }

    // MARK: opening

    private static func openAuthority(_ files: CertificateFiles, now: Timestamp, log: Logger) throws
        -> CertificateAuthority
    {
        let certificate = try files.certificate("ca")
        let key = try files.key("ca")
        switch (certificate, key) {
        case (let certificate?, let key?):
            do {
                return try CertificateAuthority(certificate: certificate, key: key, now: now)
            } catch {
                throw PKIError("cannot use \(files.certificatePath("ca")): \(error)")
            }
        case (_?, nil):
            throw PKIError(
                "cannot use \(files.certificatePath("ca")): its key \(files.keyPath("ca")) is missing; restore it, or "
                    + "remove the directory \(files.directory) to begin with a new CA")
        case (nil, let existing):
            // A key alone is what a crash in the midst of this leaves behind.
            let key = existing ?? P256.Signing.PrivateKey()
            let ca = try CertificateAuthority(key: key, now: now)
            if existing == nil { try files.write(key, "ca") }
            try files.write(ca.certificate, "ca")
            log.info("made the cluster's CA", metadata: ["path": "\(files.directory)"])
            return ca
        }
    }

    /// A new key would make all tokens worthless; that of a cluster is made once.
    private static func openTokenKey(_ files: CertificateFiles) throws -> P256.Signing.PrivateKey {
        let name = "service-account"
        if let key = try files.key(name) { return key }
        let key = P256.Signing.PrivateKey()
        try files.write(key, name)
        return key
    }

    private static func openLeaf(
        _ identity: PKIIdentity, _ profile: CertificateProfile, files: CertificateFiles, ca: CertificateAuthority,
        now: Timestamp, log: Logger
    ) throws -> Leaf {
        let name = identity.rawValue
        let existingKey = try files.key(name)
        if existingKey == nil { files.removeCertificate(name) }
        let key = existingKey ?? P256.Signing.PrivateKey()
        let existing = existingKey == nil ? nil : try files.certificate(name)
        var reason = "it was missing"
        if let certificate = existing {
            let path = files.certificatePath(name)
            guard certificate.publicKey == Certificate.PublicKey(key.publicKey) else {
                throw PKIError("cannot use \(path): it belongs to another key than \(files.keyPath(name))")
            }
            guard ca.hasIssued(certificate) else {
                throw PKIError(
                    "cannot use \(path): it is not signed by \(files.certificatePath("ca")); remove it to have it made anew"
                )
            }
            let matches: Bool
            do {
                matches = try profile.matches(certificate)
            } catch {
                throw PKIError("cannot use \(path): its names cannot be parsed: \(error)")
            }
            if matches && !isDue(certificate, now: now) {
                return Leaf(certificate: certificate, pair: try pair(certificate, key))
            }
            reason = matches ? "two thirds of its life are over" : "its names have changed"
        }
        let certificate = try ca.issue(profile, for: key.publicKey, now: now)
        if existingKey == nil { try files.write(key, name) }
        try files.write(certificate, name)
        if existing != nil {
            log.info("renewed a certificate", metadata: ["name": "\(name)", "reason": "\(reason)"])
        }
        return Leaf(certificate: certificate, pair: try pair(certificate, key))
    }

    static func isDue(_ certificate: Certificate, now: Timestamp) -> Bool {
        let start = CertificateAuthority.timestamp(certificate.notValidBefore)
        let life = CertificateAuthority.timestamp(certificate.notValidAfter) - start
        return now >= start + life * 2 / 3
    }

    private static func pair(_ certificate: Certificate, _ key: P256.Signing.PrivateKey) throws -> Pair {
        Pair(certificate: try CertificateFiles.pem(certificate), privateKey: CertificateFiles.pem(key))
    }

    private static func makeServerTLS(_ leaf: Leaf?, _ authority: [UInt8]) throws -> ServerTLS {
        try ServerTLS(
            certificateChain: leaf?.pair.certificate ?? [], privateKey: leaf?.pair.privateKey ?? [],
            clientCA: authority)
    }

    private static func reload(_ tls: ServerTLS, _ pair: Pair, _ authority: [UInt8]) throws {
        try tls.reload(certificateChain: pair.certificate, privateKey: pair.privateKey, clientCA: authority)
    }
}
