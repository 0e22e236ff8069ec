import Glibc
import KubeAPI
import Testing

@testable import ControlPlane

/// What lies outside resources, and what lies nowhere.
@Suite struct PathTests {
    private let server: TestServer
    private let logs: TemporaryFolder

    init() async throws {
        let logs = try TemporaryFolder()
        self.logs = logs
        server = try await TestServer(logFolder: logs.path)
        server.context.health.add("ping", .live) { nil }
        server.context.health.add("store", .ready) { nil }
    }

    @Test func everyPathOfTheIndexIsServed() async throws {
        let paths = try await server.get("/").json["paths"].items.map(\.stringValue)
        for path in [
            "/api", "/api/v1", "/apis", "/apis/discovery.k8s.io", "/apis/discovery.k8s.io/v1", "/healthz",
            "/healthz/ping", "/livez", "/readyz", "/readyz/store", "/metrics", "/logs/", "/validate", "/openapi/v3",
            "/version",
        ] {
            #expect(paths.contains(path), "\(path)")
        }
        for path in paths { #expect(try await server.get(path).status == 200, "\(path)") }
    }

    @Test(arguments: [
        "/nothing", "/api/v2", "/api/v1/nothings", "/apis/none.example", "/apis/apps/v2/deployments", "/healthz/none",
        "/api/v1/pods/p", "/api/v1/namespaces/default/nodes", "/api/v1/namespaces/default/pods/p/nothing",
        "/openapi/v2",
        "/openapi/v3/api/v9", "/versionx", "//",
    ])
    func otherPathsAre404(path: String) async throws {
        let answer = try await server.get(path)
        #expect(answer.status == 404)
        #expect(answer.json["message"] == "the server could not find the requested resource")
    }

    @Test(arguments: [
        ("POST", "/version"), ("DELETE", "/healthz"), ("POST", "/"), ("PUT", "/api/v1/namespaces/default/configmaps"),
        ("POST", "/api/v1/namespaces/default/configmaps/x"), ("POST", "/api/v1/configmaps"),
        ("DELETE", "/api/v1/namespaces"), ("PATCH", "/api/v1/nodes"), ("TRACE", "/api/v1/nodes"),
    ])
    func otherMethodsAre405(method: String, path: String) async throws {
        let answer = try await server.send(method, path)
        #expect(answer.status == 405)
        #expect(answer.json["message"] == "the server does not allow this method on the requested resource")
    }

    // MARK: - Discovery

    @Test func discovery() async throws {
        let core = try await server.get("/api").json
        #expect(core.kind == "APIVersions" && core["versions"] == ["v1"])
        #expect(core["serverAddressByClientCIDRs"][0]["serverAddress"] == "192.0.2.1:6443")
        let resources = try await server.get("/api/v1").json["resources"].items
        let pods = try #require(resources.first { $0["name"] == "pods" })
        #expect(pods["kind"] == "Pod" && pods["namespaced"] == true && pods["shortNames"] == ["po"])
        #expect(try await server.get("/apis").json["groups"].items.map { $0["name"] }.contains("coordination.k8s.io"))
        #expect(try await server.get("/apis/coordination.k8s.io").json["preferredVersion"]["version"] == "v1")
    }

    @Test(arguments: ["v2", "v2beta1"])
    func aggregatedDiscovery(version: String) async throws {
        let form = "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList"
        for path in ["/api", "/apis"] {
            let answer = try await server.get(path, accept: "\(form),application/json")
            #expect(answer.json.kind == "APIGroupDiscoveryList")
            #expect(answer.json.apiVersion == "apidiscovery.k8s.io/\(version)")
            #expect(answer.header("Content-Type") == form)
        }
        // The first that fits counts.
        #expect(try await server.get("/apis", accept: "application/json,\(form)").json.kind == "APIGroupList")
    }

    @Test func versionAndMetrics() async throws {
        #expect(try await server.get("/version").json["gitVersion"] == .string(KubernetesVersion.gitVersion))
        let metrics = try await server.get("/metrics")
        #expect(metrics.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        #expect(
            metrics.text.contains(
                "apiserver_request_total{component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"namespaces\",scope=\"cluster\",subresource=\"\",verb=\"CREATE\",version=\"v1\",code=\"201\"} 1\n"
            ))
        #expect(metrics.text.contains("apiserver_storage_objects{resource=\"namespaces\"} 1\n"))
        #expect(metrics.text.contains("process_resident_memory_bytes "))
    }

    // MARK: - OpenAPI

    @Test func openAPIIsKeptByItsHash() async throws {
        let index = try await server.get("/openapi/v3")
        let etag = try #require(index.header("ETag"))
        #expect(try await server.send("GET", "/openapi/v3", headers: [("If-None-Match", etag)]).status == 304)
        #expect(try await server.send("GET", "/openapi/v3", headers: [("If-None-Match", "\"x\"")]).status == 200)
        let url = index.json["paths"]["api/v1"]["serverRelativeURL"].stringValue
        let document = try await server.get(url)
        #expect(document.status == 200)
        #expect(document.json["components"]["schemas"]["io.k8s.api.core.v1.Pod"]["type"] == "object")
        #expect(document.header("Cache-Control")?.contains("immutable") == true)
        #expect(try await server.get("/openapi/v3/api/v1").header("Cache-Control")?.contains("immutable") == false)
        let moved = try await server.get("/openapi/v3/api/v1?hash=OLD")
        #expect(moved.status == 301 && moved.header("Location") == url)
    }

    // MARK: - Health

    @Test func health() async throws {
        #expect(try await server.get("/healthz").text == "ok")
        #expect(try await server.get("/livez?verbose").text == "[+]ping ok\nlivez check passed\n")
        #expect(try await server.get("/readyz?verbose").text == "[+]ping ok\n[+]store ok\nreadyz check passed\n")
        #expect(try await server.get("/readyz/store").text == "ok")
    }

    @Test func illness() async throws {
        server.context.health.add("store", .ready) { "the disk is full" }
        server.context.health.add("scheduler", .component) { "no answer" }
        let ready = try await server.get("/readyz")
        #expect(ready.status == 500)
        #expect(ready.text == "[+]ping ok\n[-]store failed: reason withheld\nreadyz check failed\n")
        #expect(try await server.get("/livez").status == 200)
        #expect(try await server.get("/readyz?exclude=store").status == 200)
        #expect(try await server.get("/readyz/store").text.contains("the disk is full"))
        let validate = try await server.get("/validate")
        #expect(validate.status == 500 && validate.json["healthy"] == false)
        #expect(
            validate.json["components"].items.contains {
                $0["name"] == "scheduler" && $0["healthy"] == false && $0["message"] == "no answer"
            })
    }

    // MARK: - Logs

    private func write(_ path: String, _ text: String) throws {
        let file = try #require(fopen("\(logs.path)/\(path)", "w"))
        fputs(text, file)
        fclose(file)
    }

    @Test func logsAreListedAndServed() async throws {
        mkdir("\(logs.path)/pods", 0o755)
        try write("a <b>.log", "hello\n")
        try write("pods/c.log", String(repeating: "line\n", count: 50_000))
        let listing = try await server.get("/logs/")
        #expect(listing.header("Content-Type") == "text/html; charset=utf-8")
        #expect(listing.text.contains("<a href=\"a%20%3Cb%3E.log\">a &lt;b&gt;.log</a>"))
        #expect(listing.text.contains("<a href=\"pods/\">pods/</a>"))
        #expect(try await server.get("/logs/a%20%3Cb%3E.log").text == "hello\n")
        let long = try await server.get("/logs/pods/c.log")
        #expect(long.body.count == 250_000)
        #expect(long.header("Content-Type") == "text/plain; charset=utf-8")
        let folder = try await server.get("/logs/pods")
        #expect(folder.status == 301 && folder.header("Location") == "pods/")
        #expect(try await server.get("/logs").header("Location") == "/logs/")
    }

    @Test func nothingLeadsOutOfTheLogs() async throws {
        let outside = try TemporaryFolder()
        let secret = "\(outside.path)/secret"
        let file = try #require(fopen(secret, "w"))
        fputs("secret", file)
        fclose(file)
        #expect(symlink(secret, "\(logs.path)/link") == 0)
        #expect(symlink(outside.path, "\(logs.path)/folder") == 0)
        #expect(mkfifo("\(logs.path)/fifo", 0o644) == 0)
        try write("file", "x")
        let name = try #require(outside.path.split(separator: "/").last)
        for path in [
            "/logs/link", "/logs/folder/", "/logs/folder/secret", "/logs/../\(name)/secret",
            "/logs/..%2F\(name)%2Fsecret",
            "/logs/%2e%2e/\(name)/secret", "/logs/./file", "/logs/file/", "/logs/fifo", "/logs/none",
        ] {
            let answer = try await server.get(path)
            #expect(answer.status == 404, "\(path)")
            #expect(!answer.text.contains("secret\n") && answer.text != "secret")
        }
        #expect(try await !server.get("/logs/").text.contains("link"))
    }

    @Test func withoutAFolderThereAreNone() async throws {
        let bare = try await TestServer()
        #expect(try await bare.get("/logs/").status == 404)
        #expect(try await !bare.get("/").json["paths"].items.contains("/logs/"))
    }
}
