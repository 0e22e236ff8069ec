import KubeAPI
import Testing
import Transport

@testable import ControlPlane

@Suite struct AuthenticatorTests {
    private let certificate = ClientCertificate(
        commonName: "jane", organizations: ["dev", "ops"], notAfter: Timestamp(unixSeconds: 1_000), fingerprint: "ab12")
    private let authenticator = Authenticator(
        tokens: ["s3cret": UserInfo(name: "robot", groups: ["bots"])], now: { Timestamp(unixSeconds: 999) })

    private func request(
        certificate: ClientCertificate? = nil, error: String? = nil, _ headers: [(String, String)] = []
    ) throws -> HTTPServerRequest {
        try #require(
            HTTPServerRequest(
                method: "GET", target: "/api", headers: headers,
                peer: PeerIdentity(address: "10.0.0.1", certificate: certificate, certificateError: error)))
    }

    @Test func aClientCertificateNamesUserAndGroups() throws {
        let user = try authenticator.authenticate(request(certificate: certificate)).get()
        #expect(user.name == "jane")
        #expect(user.groups == ["dev", "ops", "system:authenticated"])
        #expect(user.extra == ["authentication.kubernetes.io/credential-id": ["X509SHA256=ab12"]])
    }

    @Test func aBearerTokenNamesItsUser() throws {
        let user = try authenticator.authenticate(request([("Authorization", "bearer s3cret")])).get()
        #expect(user.name == "robot")
        #expect(user.groups == ["bots", "system:authenticated"])
    }

    @Test(arguments: ["", "Basic YTpi", "Bearer", "Bearer ", "s3cret"])
    func noCredentialsAreAnonymous(header: String) throws {
        let headers = header.isEmpty ? [] : [("Authorization", header)]
        let user = try authenticator.authenticate(request(headers)).get()
        #expect(user == .anonymous)
        #expect(user.groups == ["system:unauthenticated"])
    }

    @Test func wrongCredentialsAreRefused() throws {
        func refused(_ request: HTTPServerRequest) -> Bool {
            guard case .failure(let error) = authenticator.authenticate(request) else { return false }
            return error.code == 401 && error.reason == "Unauthorized" && error.message == "Unauthorized"
        }
        #expect(refused(try request([("Authorization", "Bearer wrong")])))
        #expect(refused(try request(error: "certificate signed by unknown authority")))
        var expired = certificate
        expired.notAfter = Timestamp(unixSeconds: 998)
        #expect(refused(try request(certificate: expired)))
        // A good token beside a bad certificate is good, as in Kubernetes.
        #expect(!refused(try request(error: "bad", [("Authorization", "Bearer s3cret")])))
    }
}

@Suite struct AuthorizerTests {
    private let authorizer = Authorizer()

    init() { authorizer.loadDefaultRoles() }

    private func decide(
        _ user: UserInfo, _ verb: String, group: String = "", _ resource: String = "", subresource: String = "",
        namespace: String = "", name: String = "", path: String = "", fields: String = ""
    ) -> StatusError? {
        let request =
            resource.isEmpty
            ? AccessRequest(user: user, verb: verb, path: path)
            : AccessRequest(
                user: user, verb: verb, group: group, resource: resource, subresource: subresource,
                namespace: namespace, name: name, fields: try? FieldSelector(parsing: fields))
        switch authorizer.authorize(request) {
        case .allow: return nil
        case .deny(let error): return error
        }
    }

    @Test func mastersMayDoEverything() {
        for user in [UserInfo.unsecured, .apiserver, UserInfo(name: "a", groups: ["system:masters"])] {
            #expect(decide(user, "delete", "nodes", name: "n") == nil)
            #expect(decide(user, "get", path: "/metrics") == nil)
        }
    }

    @Test func anonymousReachesHealthAndVersionAlone() {
        for path in ["/healthz", "/livez", "/readyz", "/version"] {
            #expect(decide(.anonymous, "get", path: path) == nil)
        }
        #expect(decide(.anonymous, "post", path: "/healthz") != nil)
        for path in ["/", "/api", "/apis", "/metrics", "/logs/", "/openapi/v3", "/healthz/etcd", "/versionx"] {
            #expect(
                decide(.anonymous, "get", path: path)?.message
                    == "forbidden: User \"system:anonymous\" cannot get path \"\(path)\"")
        }
    }

    /// The texts are those of kube-apiserver 1.35; users and scripts match on them.
    @Test func refusesInTheWordsOfKubernetes() {
        let user = UserInfo(name: "jane \"j\" <x>", groups: ["system:authenticated"])
        let quoted = "\"jane \\\"j\\\" &lt;x&gt;\""
        #expect(
            decide(user, "list", "pods", namespace: "default")?.message
                == "pods is forbidden: User \(quoted) cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
        )
        #expect(
            decide(user, "list", "nodes")?.message
                == "nodes is forbidden: User \(quoted) cannot list resource \"nodes\" in API group \"\" at the cluster scope"
        )
        let error = decide(
            user, "update", group: "apps", "deployments", subresource: "scale", namespace: "a", name: "web")
        #expect(
            error?.message
                == "deployments.apps \"web\" is forbidden: User \(quoted) cannot update resource \"deployments/scale\" in API group \"apps\" in the namespace \"a\""
        )
        #expect(error?.code == 403)
        #expect(error?.details["kind"] == "deployments")
        #expect(error?.details["group"] == "apps")
        #expect(error?.details["name"] == "web")
    }

    @Test func componentsDoTheirWorkAndNoMore() {
        #expect(decide(.scheduler, "create", "pods", subresource: "binding", namespace: "d", name: "p") == nil)
        #expect(decide(.scheduler, "watch", "nodes") == nil)
        #expect(decide(.scheduler, "get", "secrets", namespace: "d", name: "s") != nil)
        #expect(decide(.proxy, "watch", group: "discovery.k8s.io", "endpointslices") == nil)
        #expect(decide(.proxy, "list", "pods") == nil)
        #expect(decide(.proxy, "list", "secrets") != nil)
        #expect(decide(.proxy, "delete", "pods", namespace: "d", name: "p") != nil)
        // The controllers write as service accounts of their own.
        #expect(decide(.controllerManager, "watch", group: "any.example", "things") == nil)
        #expect(decide(.controllerManager, "create", "pods", namespace: "d") != nil)
        #expect(decide(.controller("replicaset-controller"), "create", "pods", namespace: "d") == nil)
        #expect(decide(.controller("replicaset-controller"), "create", "secrets", namespace: "d") != nil)
        let collector = UserInfo.controller("generic-garbage-collector")
        #expect(decide(collector, "delete", group: "any.example", "things", namespace: "d", name: "x") == nil)
        #expect(decide(.dns, "watch", group: "discovery.k8s.io", "endpointslices") == nil)
        for user in [UserInfo.scheduler, .proxy, .node("a")] { #expect(decide(user, "get", path: "/api/v1") == nil) }
    }

    @Test func aNodeWritesItsOwnNodeAndLease() {
        let node = UserInfo.node("a")
        // Which node it writes about is admission's to check, as in Kubernetes.
        #expect(decide(node, "create", "nodes") == nil)
        #expect(decide(node, "patch", "nodes", subresource: "status", name: "a") == nil)
        #expect(decide(node, "delete", "nodes", name: "a") != nil)
        #expect(decide(node, "get", "nodes", name: "a") == nil)
        #expect(
            decide(node, "get", "nodes", name: "b")?.message.hasSuffix(
                "at the cluster scope: node 'a' cannot read 'b', only its own Node object") == true)
        #expect(
            decide(node, "list", "nodes")?.message.hasSuffix("node 'a' cannot read all nodes, only its own Node object")
                == true)
        let leases = "coordination.k8s.io"
        #expect(decide(node, "create", group: leases, "leases", namespace: "kube-node-lease") == nil)
        #expect(decide(node, "update", group: leases, "leases", namespace: "kube-node-lease", name: "a") == nil)
        #expect(
            decide(node, "update", group: leases, "leases", namespace: "kube-node-lease", name: "b")?.message
                .hasSuffix("can only access node lease with the same name as the requesting node") == true)
        #expect(decide(node, "create", group: leases, "leases", namespace: "default") != nil)
        #expect(decide(node, "patch", "pods", subresource: "status", namespace: "d", name: "p") == nil)
        #expect(decide(node, "patch", "pods", namespace: "d", name: "p") != nil)
    }

    @Test func aNodeReadsWhatItsPodsName() throws {
        let pod: JSON = [
            "metadata": ["name": "p", "namespace": "d"],
            "spec": [
                "nodeName": "a", "serviceAccountName": "robot", "imagePullSecrets": [["name": "pull"]],
                "containers": [
                    [
                        "env": [["valueFrom": ["secretKeyRef": ["name": "env"]]]],
                        "envFrom": [["configMapRef": ["name": "all"]]],
                    ]
                ],
                "volumes": [
                    ["secret": ["secretName": "files"]],
                    ["projected": ["sources": [["configMap": ["name": "kube-root-ca.crt"]]]]],
                ],
            ],
        ]
        authorizer.graph.apply(key: "d/p", node: "a") { pod }
        let node = UserInfo.node("a")
        for name in ["pull", "env", "files"] {
            #expect(decide(node, "get", "secrets", namespace: "d", name: name) == nil, "\(name)")
            #expect(decide(.node("b"), "get", "secrets", namespace: "d", name: name) != nil, "\(name)")
        }
        for name in ["all", "kube-root-ca.crt"] {
            #expect(decide(node, "watch", "configmaps", namespace: "d", name: name) == nil, "\(name)")
        }
        #expect(
            decide(node, "get", "secrets", namespace: "d", name: "other")?.message
                == #"secrets "other" is forbidden: User "system:node:a" cannot get resource "secrets" in API group "" in the namespace "d": no relationship found between node 'a' and this object"#
        )
        #expect(decide(node, "list", "secrets", namespace: "d")?.message.hasSuffix("No Object name found") == true)
        #expect(
            decide(node, "list", "secrets")?.message.hasSuffix("can only read namespaced object of this type") == true)
        #expect(decide(node, "update", "secrets", namespace: "d", name: "env") != nil)
        #expect(
            decide(node, "create", "serviceaccounts", subresource: "token", namespace: "d", name: "robot") == nil)
        #expect(
            decide(node, "create", "serviceaccounts", subresource: "token", namespace: "d", name: "default") != nil)
        #expect(decide(node, "get", "pods", namespace: "d", name: "p") == nil)
        #expect(decide(.node("b"), "get", "pods", namespace: "d", name: "p") != nil)
        #expect(decide(node, "list", "pods", fields: "spec.nodeName=a") == nil)
        #expect(decide(node, "list", "pods", fields: "spec.nodeName=b") != nil)
        #expect(decide(node, "list", "pods") != nil)
        authorizer.graph.remove(key: "d/p")
        #expect(decide(node, "get", "secrets", namespace: "d", name: "env") != nil)
    }
}

@Suite struct InsecurePortPolicyTests {
    private func refusal(
        _ method: String = "GET", _ headers: [(String, String)] = [("Host", "localhost:8080")], body: String = "",
        peer: String = "127.0.0.1"
    ) throws -> String? {
        let request = try #require(
            HTTPServerRequest(
                method: method, target: "/api", headers: headers, body: Array(body.utf8),
                peer: PeerIdentity(address: peer)))
        switch InsecurePortPolicy().admit(request) {
        case .success(let user):
            #expect(user == .unsecured)
            return nil
        case .failure(let error):
            #expect(error.code == 403 && error.reason == "Forbidden")
            return error.message
        }
    }

    @Test(arguments: ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080", "[::1]"])
    func servesThisHost(host: String) throws { #expect(try refusal("GET", [("Host", host)]) == nil) }

    @Test(arguments: [
        "evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "127.0.0.2", "localhost:", "localhost:x",
        "localhost:80:80", "localhost:99999", "localhost@evil.com", "[::1", "", "10.0.0.1:8080", "localhost:+80",
    ])
    func refusesOtherHosts(host: String) throws {
        #expect(try refusal("GET", [("Host", host)])?.contains("serves host localhost") == true)
    }

    @Test func refusesSeveralHostsAndNone() throws {
        #expect(try refusal("GET", [("Host", "localhost"), ("Host", "evil.com")]) != nil)
        #expect(try refusal("GET", []) != nil)
    }

    @Test func refusesPagesOfABrowser() throws {
        for origin in ["http://evil.com", "null", "", "http://localhost:8080"] {
            #expect(try refusal("GET", [("Host", "localhost"), ("Origin", origin)])?.contains("Origin") == true)
        }
    }

    @Test func refusesFormTypesAndBodiesWithoutType() throws {
        func post(_ types: [String], body: String = "x") throws -> String? {
            try refusal("POST", [("Host", "localhost")] + types.map { ("Content-Type", $0) }, body: body)
        }
        for type in [
            "text/plain", "TEXT/PLAIN; charset=utf-8", " text/plain", "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x", "",
        ] {
            #expect(try post([type])?.contains("takes no body") == true, "\(type)")
            #expect(try post([type], body: "") != nil, "\(type)")
        }
        #expect(try post([]) != nil)
        #expect(try post(["application/json", "text/plain"]) != nil)
        #expect(try post([], body: "") == nil)
        #expect(try post(["application/json"]) == nil)
        #expect(try refusal("DELETE") == nil)
    }

    @Test func refusesOtherMachines() throws {
        #expect(try refusal(peer: "10.0.0.7") != nil)
        #expect(try refusal(peer: "") != nil)
        #expect(try refusal(peer: "127.9.9.9") == nil)
        #expect(try refusal(peer: "::1") == nil)
    }
}
