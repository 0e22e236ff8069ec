import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct RequestInfoTests {
    @Test(arguments: [
        ("GET", "/api/v1/pods", false, "list", "", "pods", "", ""),
        ("GET", "/api/v1/pods", true, "watch", "", "pods", "", ""),
        ("GET", "/api/v1/namespaces/ns/pods", false, "list", "ns", "pods", "", ""),
        ("GET", "/api/v1/namespaces/ns/pods/p", true, "get", "ns", "pods", "p", ""),
        ("GET", "/api/v1/namespaces/ns/pods/p/log", false, "get", "ns", "pods", "p", "log"),
        ("POST", "/api/v1/namespaces/ns/pods/p/binding", false, "create", "ns", "pods", "p", "binding"),
        ("GET", "/api/v1/namespaces/ns", false, "get", "ns", "namespaces", "ns", ""),
        ("PUT", "/api/v1/namespaces/ns/status", false, "update", "ns", "namespaces", "ns", "status"),
        ("PUT", "/api/v1/namespaces/ns/finalize", false, "update", "ns", "namespaces", "ns", "finalize"),
        ("DELETE", "/api/v1/namespaces/ns/pods", false, "deletecollection", "ns", "pods", "", ""),
        ("DELETE", "/api/v1/nodes/n", false, "delete", "", "nodes", "n", ""),
        ("PATCH", "/api/v1/nodes/n/status", false, "patch", "", "nodes", "n", "status"),
        ("HEAD", "/api/v1/nodes/n", false, "get", "", "nodes", "n", ""),
        ("GET", "/api/v1/watch/namespaces/ns/pods/p", false, "watch", "ns", "pods", "p", ""),
        ("GET", "/api/v1/nodes/n/proxy/a/b", false, "get", "", "nodes", "n", "proxy"),
    ])
    func resources(
        method: String, path: String, isWatch: Bool, verb: String, namespace: String, resource: String, name: String,
        subresource: String
    ) {
        let info = RequestInfo(method: method, path: path, isWatch: isWatch)
        #expect(info.isResource)
        #expect(info.verb == verb)
        #expect(info.group == "" && info.version == "v1")
        #expect(info.namespace == namespace && info.resource == resource)
        #expect(info.name == name && info.subresource == subresource)
    }

    @Test func groups() {
        let info = RequestInfo(
            method: "GET", path: "/apis/coordination.k8s.io/v1/namespaces/ns/leases/l", isWatch: false)
        #expect(info.group == "coordination.k8s.io" && info.version == "v1" && info.resource == "leases")
        #expect(info.scope == "resource")
    }

    @Test(arguments: ["/", "/api", "/api/v1", "/apis", "/apis/g", "/apis/g/v1", "/healthz/ping", "/metrics"])
    func otherPaths(path: String) {
        let info = RequestInfo(method: "POST", path: path, isWatch: false)
        #expect(!info.isResource && info.verb == "post" && info.path == path)
    }
}

@Suite struct MediaTypeTests {
    @Test func parameters() {
        let media = MediaType("Application/JSON; as=Table ;g=meta.k8s.io;v=\"v1\"")
        #expect(media.type == "application/json")
        #expect(media.parameters == ["as": "Table", "g": "meta.k8s.io", "v": "v1"])
    }

    @Test(arguments: ["", "*/*", "application/json", "application/*;q=0.8", "text/html, application/json;q=0.5"])
    func whatTakesJSON(header: String) { #expect(MediaType.accepted(header).contains { $0.takesJSON }) }

    @Test(arguments: ["text/html", "application/vnd.kubernetes.protobuf", "application/jsonp"])
    func whatDoesNot(header: String) { #expect(!MediaType.accepted(header).contains { $0.takesJSON }) }
}
