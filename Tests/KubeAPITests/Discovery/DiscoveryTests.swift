@testable import KubeAPI
import Testing

@Suite struct DiscoveryTests {
    @Test func listsVersions() {
        #expect(Discovery.apiVersions(serverAddress: "10.0.0.1:6443")["versions"] == ["v1"])
        #expect(
            Discovery.groupList(.builtin)["groups"].items.map { $0["name"].stringValue } == [
                "apps", "batch", "coordination.k8s.io", "discovery.k8s.io", "rbac.authorization.k8s.io",
                "authentication.k8s.io", "authorization.k8s.io",
                "metrics.k8s.io",
            ])
        #expect(
            Discovery.group(.builtin, "discovery.k8s.io")
                == [
                    "kind": "APIGroup", "apiVersion": "v1", "name": "discovery.k8s.io",
                    "versions": [["groupVersion": "discovery.k8s.io/v1", "version": "v1"]],
                    "preferredVersion": ["groupVersion": "discovery.k8s.io/v1", "version": "v1"],
                ])
        #expect(Discovery.group(.builtin, "nothing.k8s.io") == nil)
        #expect(Discovery.group(.builtin, "") == nil)
    }

    @Test func listsResources() throws {
        let list = try #require(Discovery.resourceList(.builtin, group: "", version: "v1"))
        #expect(list["groupVersion"] == "v1")
        let names = list["resources"].items.map { $0["name"].stringValue }
        #expect(names.filter { !$0.contains("/") } == names.filter { !$0.contains("/") }.sorted())
        #expect(names.contains("pods/eviction"))
        let pods = try #require(list["resources"].items.first { $0["name"] == "pods" })
        #expect(
            pods == [
                "name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod",
                "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                "shortNames": ["po"],
                "categories": ["all"],
            ])
        let scale = try #require(list["resources"].items.first { $0["name"] == "replicationcontrollers/scale" })
        #expect(scale["group"] == "autoscaling")
        #expect(scale["kind"] == "Scale")
        #expect(Discovery.resourceList(.builtin, group: "", version: "v2") == nil)
        #expect(
            Discovery.resourceList(.builtin, group: "coordination.k8s.io", version: "v1")?["groupVersion"]
                == "coordination.k8s.io/v1")
    }

    @Test(arguments: ["v2", "v2beta1"])
    func saysAllInOneAnswer(version: String) throws {
        let core = Discovery.aggregated(.builtin, core: true, version: version)
        #expect(core["apiVersion"].string == "apidiscovery.k8s.io/\(version)")
        #expect(core["items"].items.count == 1)
        let pods = try #require(
            core["items"][0]["versions"][0]["resources"].items.first { $0["resource"] == "pods" })
        #expect(pods["scope"] == "Namespaced")
        #expect(pods["responseKind"] == ["group": "", "version": "v1", "kind": "Pod"])
        #expect(
            pods["subresources"].items.map { $0["subresource"].stringValue } == [
                "attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "status",
            ])
        #expect(pods["subresources"][4]["verbs"] == ["create", "get"])
        #expect(pods["subresources"][3]["responseKind"] == ["group": "policy", "version": "v1", "kind": "Eviction"])
        let groups = Discovery.aggregated(.builtin, core: false, version: version)
        #expect(
            groups["items"].items.map { $0["metadata"]["name"].stringValue } == [
                "apps", "batch", "coordination.k8s.io", "discovery.k8s.io", "rbac.authorization.k8s.io",
                "authentication.k8s.io", "authorization.k8s.io",
                "metrics.k8s.io",
            ])
        #expect(groups["items"][0]["versions"][0]["freshness"] == "Current")
    }

    /// Both forms of discovery say the same.
    @Test func formsAgree() throws {
        for (group, version) in OpenAPIv3.groupVersions(.builtin) {
            let list = try #require(Discovery.resourceList(.builtin, group: group, version: version))
            let all = Discovery.aggregated(.builtin, core: group.isEmpty, version: "v2")["items"].items
            let mine = try #require(all.first { $0["metadata"]["name"].stringValue == group })["versions"][0][
                "resources"
            ].items
            let plain = list["resources"].items.filter { !$0["name"].stringValue.contains("/") }
            #expect(plain.map { $0["name"].stringValue } == mine.map { $0["resource"].stringValue })
            #expect(plain.map { $0["verbs"] } == mine.map { $0["verbs"] })
        }
    }

    @Test func knowsPathsOfResources() {
        #expect(ResourcePath.pods.path() == "/api/v1/pods")
        #expect(
            ResourcePath.pods.path(namespace: "n", name: "p", subresource: "log") == "/api/v1/namespaces/n/pods/p/log")
        #expect(ResourcePath.nodes.path(namespace: "ignored", name: "n1") == "/api/v1/nodes/n1")
        #expect(
            ResourcePath.leases.path(namespace: "kube-node-lease", name: "n1")
                == "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1")
        #expect(ResourcePath.endpointSlices.description == "endpointslices.discovery.k8s.io")
    }
}
