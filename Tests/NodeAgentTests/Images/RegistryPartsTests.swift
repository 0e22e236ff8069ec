import KubeAPI
import Testing

@testable import NodeAgent

/// What pulls are made of: names, challenges, credentials, configuration.
@Suite struct RegistryPartsTests {
    @Test(arguments: [
        ("", "invalid reference format"), ("a b", "invalid reference format"), ("a:", "invalid reference format"),
        ("a//b", "invalid reference format"), ("-a", "invalid reference format"), ("a:b:c", "invalid reference format"),
        ("UPPER", "invalid reference format: repository name (library/UPPER) must be lowercase"),
        ("r.example/Up/x:1", "invalid reference format: repository name (Up/x) must be lowercase"),
        ("a@sha256:1", "invalid reference format"),
        ("a@sha256:0123456789abcdef0123456789abcdef", "invalid checksum digest length"),
        ("a@md5:0123456789abcdef0123456789abcdef", "unsupported digest algorithm"),
        (
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "invalid repository name (0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef), "
                + "cannot specify 64-byte hexadecimal strings"
        ),
        ("r.example:0/a", "invalid reference format"), ("[::1/a", "invalid reference format"),
        (String(repeating: "a", count: 300), "repository name must not be more than 255 characters"),
    ])
    func namesThatAreNone(text: String, words: String) {
        #expect(throws: ImageNameError(words)) { try ImageReference(parsing: text) }
    }

    @Test(arguments: [
        ("index.docker.io/a", "docker.io/library/a:latest"), ("a__b/c-d--e", "docker.io/a__b/c-d--e:latest"),
        ("[fd00::1]:5000/a:2", "[fd00::1]:5000/a:2"), ("[::1]/a", "[::1]/a:latest"), ("Host/a", "Host/a:latest"),
    ])
    func namesInFull(text: String, full: String) throws {
        #expect(try ImageReference(parsing: text).description == full)
    }

    @Test func challenges() {
        #expect(
            AuthChallenge.parse([
                #"Bearer realm="https://auth.example/token",service="r \"x\"",scope="repository:a/b:pull,push""#,
                "Basic realm=x , Negotiate",
            ]) == [
                AuthChallenge(
                    scheme: "bearer",
                    parameters: [
                        "realm": "https://auth.example/token", "service": "r \"x\"",
                        "scope": "repository:a/b:pull,push",
                    ]),
                AuthChallenge(scheme: "basic", parameters: ["realm": "x"]), AuthChallenge(scheme: "negotiate"),
            ])
        for junk in ["", "=", "\"", "Bearer realm=\"", "a=b", ",,,"] {
            #expect(AuthChallenge.parse([junk]).allSatisfy { $0.parameters.isEmpty })
        }
    }

    private static func secret(_ auths: String) -> JSON {
        let text = #"{"auths":{\#(auths)}}"#
        return [
            "type": "kubernetes.io/dockerconfigjson",
            "data": [".dockerconfigjson": .string(Base64.encode(Array(text.utf8)))],
        ]
    }

    @Test func credentialsByWhereTheyAreMeantFor() throws {
        var keyring = PullKeyring()
        try keyring.add(
            secret: Self.secret(
                #""https://index.docker.io/v1/":{"auth":"aHViOnB3"},"r.example:5000":{"username":"r","password":"p:w"},"#
                    + #""r.example:5000/team":{"username":"team","password":"t"},"*.cloud.example":{"auth":"YzpkAA=="},"#
                    + #""empty.example":{}"#))
        func users(_ authority: String, _ repository: String) -> [String] {
            keyring.credentials(authority: authority, repository: repository).map { "\($0.username):\($0.password)" }
        }
        #expect(users("registry-1.docker.io", "library/a") == ["hub:pw"])
        #expect(users("r.example:5000", "team/a") == ["team:t", "r:p:w"])
        #expect(users("r.example:5000", "other") == ["r:p:w"])
        #expect(users("r.example", "team/a").isEmpty)
        #expect(users("eu.cloud.example", "a") == ["c:d"])
        #expect(users("a.eu.cloud.example", "a").isEmpty)
        #expect(users("empty.example", "a").isEmpty)
        #expect(throws: ImageError.self) {
            try keyring.add(
                secret: ["type": "kubernetes.io/dockerconfigjson", "data": [".dockerconfigjson": "bm9wZQ=="]])
        }
    }

    @Test func theOldFormOfPullSecrets() throws {
        var keyring = PullKeyring()
        let text = #"{"r.example":{"auth":"YTpi","email":"x"}}"#
        try keyring.add(
            secret: [
                "type": "kubernetes.io/dockercfg", "data": [".dockercfg": .string(Base64.encode(Array(text.utf8)))],
            ])
        #expect(
            keyring.credentials(authority: "r.example", repository: "a") == [
                RegistryCredential(username: "a", password: "b")
            ])
    }

    @Test func mirrorsAndHosts() throws {
        let yaml = """
            mirrors:
              docker.io: {endpoint: ["https://mirror.example:5000/v2/hub", "http://plain.example"]}
              "r.example:5000": {endpoint: ["http://r.example:5000"]}
            configs:
              "mirror.example:5000": {auth: {username: u, password: p}, tls: {ca_file: /ca.crt}}
              "s.example": {tls: {insecure_skip_verify: true}}
            """
        let config = try RegistriesConfig(try YAML.parse(yaml)[0])
        let hub = config.endpoints(for: "docker.io")
        #expect(
            hub.map { $0.url("library/a", "manifests/1") } == [
                "https://mirror.example:5000/v2/hub/library/a/manifests/1?ns=docker.io",
                "http://plain.example/v2/library/a/manifests/1?ns=docker.io",
                "https://registry-1.docker.io/v2/library/a/manifests/1",
            ])
        #expect(hub[0].credential?.username == "u" && hub[0].tls?.caFile == "/ca.crt")
        // A registry without TLS is its own mirror.
        #expect(
            config.endpoints(for: "r.example:5000").map { $0.url("a", "x") } == ["http://r.example:5000/v2/a/x"])
        #expect(config.endpoints(for: "s.example")[0].tls?.isInsecure == true)
        #expect(
            ["localhost:5000", "127.0.0.1", "[::1]:80", "t.example"].map { config.endpoints(for: $0)[0].scheme } == [
                "http", "http", "http", "https",
            ])
    }

    @Test(arguments: [
        ("mirrors: {a: {}}", "mirrors: a: it lacks a list endpoint"),
        ("mirrors: {a: {endpoint: ['ftp://x']}}", "endpoint \"ftp://x\" is no URL"),
        ("configs: {a: {auth: {}}}", "configs: a: auth has neither"), ("mirror: {}", "mirror: there is no such key"),
        ("[]", "it must be a map"),
    ])
    func configurationsThatAreNone(yaml: String, words: String) {
        #expect { try RegistriesConfig(try YAML.parse(yaml)[0]) } throws: { "\($0)".contains(words) }
    }

    @Test(arguments: [
        ("https://b.example/x", "https://b.example/x"), ("/y?z=1", "https://a.example:5/y?z=1"),
        ("//b.example/x", "https://b.example/x"), ("w", "https://a.example:5/v2/p/w"),
    ])
    func redirects(location: String, target: String) {
        #expect(RegistrySession.resolve(location, against: "https://a.example:5/v2/p/q?r") == target)
    }
}
