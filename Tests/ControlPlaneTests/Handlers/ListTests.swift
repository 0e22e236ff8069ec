import KubeAPI
import Testing

@testable import ControlPlane

@Suite struct ListTests {
    private let server: TestServer
    private let path = "/api/v1/namespaces/default/configmaps"
    init() async throws { server = try await TestServer(namespaces: ["default", "other"]) }

    private func names(_ answer: Answer) -> [String] { answer.json["items"].items.map(\.name) }

    private func fill(_ count: Int) async throws {
        for index in 0..<count { try await server.makeConfigMap("c\(index)", labels: ["n": "\(index % 2)"]) }
    }

    @Test func aListHoldsAllObjectsInOrder() async throws {
        for name in ["b", "a", "c"] { try await server.makeConfigMap(name, ["k": "v"]) }
        try await server.admin.create(.configMaps, namespace: "other", ["metadata": ["name": "d"]])
        let answer = try await server.get(path)
        #expect(answer.status == 200)
        #expect(answer.json.kind == "ConfigMapList" && answer.json.apiVersion == "v1")
        #expect(answer.json["metadata"] == ["resourceVersion": .string(String(server.store.revision))])
        #expect(names(answer) == ["a", "b", "c"])
        let item = answer.json["items"][0]
        // As in Kubernetes, items leave to the list what is the same for all.
        #expect(item["kind"].isNull && item["apiVersion"].isNull)
        #expect(!item.resourceVersion.isEmpty && item["data"] == ["k": "v"])
        #expect(names(try await server.get("/api/v1/configmaps")) == ["a", "b", "c", "d"])
        #expect(try await server.get("/api/v1/secrets").json["items"] == [])
    }

    @Test func selectorsChoose() async throws {
        try await fill(6)
        #expect(names(try await server.get("\(path)?labelSelector=n%3D1")) == ["c1", "c3", "c5"])
        #expect(names(try await server.get("\(path)?labelSelector=n+in+(0,2),!x")) == ["c0", "c2", "c4"])
        #expect(names(try await server.get("\(path)?fieldSelector=metadata.name%3Dc4")) == ["c4"])
        #expect(names(try await server.get("/api/v1/configmaps?fieldSelector=metadata.namespace!%3Ddefault")) == [])
        let unknown = try await server.get("\(path)?fieldSelector=spec.x%3D1")
        #expect(unknown.status == 400)
        #expect(unknown.json["message"].stringValue.contains("field label not supported: spec.x"))
        let malformed = try await server.get("\(path)?labelSelector=a%3D%3D%3Db")
        #expect(malformed.status == 400)
        #expect(malformed.json["message"].stringValue.hasPrefix("unable to parse requirement: "))
    }

    @Test func podsAreChosenByNode() async throws {
        for (name, node) in [("a", "n1"), ("b", "n2"), ("c", "n1")] {
            try await server.admin.create(
                .pods, namespace: "default",
                [
                    "metadata": ["name": .string(name)],
                    "spec": ["nodeName": .string(node), "containers": [["name": "c", "image": "i"]]],
                ])
        }
        #expect(names(try await server.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1")) == ["a", "c"])
        #expect(
            names(try await server.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1,status.phase%3DRunning")) == [])
    }

    // MARK: - In pieces

    @Test func aListInPiecesIsOneState() async throws {
        try await fill(7)
        let first = try await server.get("\(path)?limit=3")
        #expect(names(first) == ["c0", "c1", "c2"])
        #expect(first.json["metadata"]["remainingItemCount"] == 4)
        let revision = first.json.resourceVersion
        // Changes in between show neither in what follows nor in the revision.
        try await server.makeConfigMap("c3a")
        try await server.admin.delete(.configMaps, namespace: "default", name: "c4")
        try await server.admin.patch(.configMaps, namespace: "default", name: "c5", ["data": ["new": "1"]])
        let token = first.json["metadata"]["continue"].stringValue
        let second = try await server.get("\(path)?limit=3&continue=\(token)")
        #expect(names(second) == ["c3", "c4", "c5"])
        #expect(second.json["items"][2]["data"].isNull)
        #expect(second.json.resourceVersion == revision)
        let third = try await server.get("\(path)?limit=3&continue=\(second.json["metadata"]["continue"].stringValue)")
        #expect(names(third) == ["c6"])
        #expect(third.json["metadata"]["continue"].isNull && third.json["metadata"]["remainingItemCount"].isNull)
    }

    @Test func piecesOfASelectionDoNotCountTheRest() async throws {
        try await fill(6)
        let first = try await server.get("\(path)?limit=2&labelSelector=n%3D1")
        #expect(names(first) == ["c1", "c3"])
        #expect(first.json["metadata"]["remainingItemCount"].isNull)
        let token = first.json["metadata"]["continue"].stringValue
        let second = try await server.get("\(path)?limit=2&labelSelector=n%3D1&continue=\(token)")
        #expect(names(second) == ["c5"])
        #expect(second.json["metadata"]["continue"].isNull)
    }

    @Test func anExpiredTokenTellsHowToGoOn() async throws {
        try await fill(4)
        let first = try await server.get("\(path)?limit=2")
        let token = first.json["metadata"]["continue"].stringValue
        try await server.makeConfigMap("c3a")
        let cache = try #require(server.registry.find("", "v1", "configmaps")).cache
        cache.tick(now: 0, revision: server.store.revision, oldest: .max)
        let expired = try await server.get("\(path)?limit=2&continue=\(token)")
        #expect(expired.status == 410)
        #expect(expired.json["reason"] == "Expired")
        #expect(expired.json["message"].stringValue.hasPrefix("The provided continue parameter is too old"))
        let next = try await server.get("\(path)?continue=\(expired.json["metadata"]["continue"].stringValue)")
        #expect(names(next) == ["c2", "c3", "c3a"])
    }

    @Test(arguments: ["x", "!!!!", "e30", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"])
    func madeUpTokensAreRefused(token: String) async throws {
        let answer = try await server.get("\(path)?limit=2&continue=\(token)")
        #expect(answer.status == 400)
        #expect(answer.json["message"].stringValue.hasPrefix("continue key is not valid: "))
    }

    @Test func aTokenComesBackAsItWas() throws {
        for token in [ContinueToken(revision: 5, key: "default/ÿ>?"), ContinueToken(revision: nil, key: "n")] {
            #expect(
                token.text.utf8.allSatisfy {
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8.contains($0)
                })
            #expect(try ContinueToken(parsing: token.text) == token)
        }
    }

    // MARK: - At a revision

    @Test func exactlyAtARevision() async throws {
        try await server.makeConfigMap("a", ["k": "1"])
        let early = server.store.revision
        try await server.admin.patch(.configMaps, namespace: "default", name: "a", ["data": ["k": "2"]])
        try await server.makeConfigMap("b")
        let exact = try await server.get("\(path)?resourceVersion=\(early)&resourceVersionMatch=Exact")
        #expect(names(exact) == ["a"] && exact.json["items"][0]["data"] == ["k": "1"])
        #expect(exact.json["metadata"]["resourceVersion"].stringValue == String(early))
        let notOlder = try await server.get("\(path)?resourceVersion=\(early)&resourceVersionMatch=NotOlderThan")
        #expect(names(notOlder) == ["a", "b"])
        #expect(names(try await server.get("\(path)?resourceVersion=\(early)")) == ["a", "b"])
        #expect(names(try await server.get("\(path)?resourceVersion=0")) == ["a", "b"])
        // What Kubernetes has always done with a limit.
        #expect(names(try await server.get("\(path)?resourceVersion=\(early)&limit=5")) == ["a"])
    }

    @Test func aRevisionThatIsGoneIsExpired() async throws {
        try await fill(3)
        let early = server.store.revision - 2
        let cache = try #require(server.registry.find("", "v1", "configmaps")).cache
        cache.tick(now: 0, revision: server.store.revision, oldest: .max)
        let answer = try await server.get("\(path)?resourceVersion=\(early)&resourceVersionMatch=Exact")
        #expect(answer.status == 410)
        #expect(answer.json["message"] == "The resourceVersion for the provided list is too old.")
    }

    @Test func aRevisionThatIsYetToComeIsRefused() async throws {
        let current = server.store.revision
        for query in ["resourceVersion=\(current + 1)", "resourceVersion=\(current + 1)&resourceVersionMatch=Exact"] {
            let answer = try await server.get("\(path)?\(query)")
            #expect(answer.status == 504)
            #expect(
                answer.json["message"].stringValue
                    == "Timeout: Too large resource version: \(current + 1), current: \(current)")
            #expect(answer.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge")
            #expect(answer.header("Retry-After") == "1")
        }
    }

    @Test(arguments: [
        (
            "resourceVersionMatch=Exact",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        ),
        (
            "resourceVersion=0&resourceVersionMatch=Exact",
            "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""
        ),
        (
            "resourceVersion=1&resourceVersionMatch=Maybe",
            "resourceVersionMatch: Unsupported value: \"Maybe\": supported values: \"Exact\", \"NotOlderThan\", \"\""
        ),
        ("sendInitialEvents=true", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
    ])
    func contradictingOptionsAreRefused(query: String, message: String) async throws {
        let answer = try await server.get("\(path)?\(query)")
        #expect(answer.status == 422)
        #expect(answer.json["message"].stringValue == "ListOptions.meta.k8s.io \"\" is invalid: \(message)")
    }

    @Test func wrongNumbersAre400() async throws {
        for query in ["limit=many", "resourceVersion=x", "resourceVersion=-1"] {
            #expect(try await server.get("\(path)?\(query)").status == 400, "\(query)")
        }
        let token = ContinueToken(revision: 1, key: "default/a").text
        let both = try await server.get("\(path)?continue=\(token)&resourceVersion=1")
        #expect(both.json["message"] == "specifying resource version is not allowed when using continue")
    }

    // MARK: - Other forms

    private let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

    @Test func aTable() async throws {
        try await server.makeConfigMap("a", ["k": "v"])
        let answer = try await server.get("\(path)?limit=500", accept: table)
        #expect(answer.json.kind == "Table" && answer.json.apiVersion == "meta.k8s.io/v1")
        #expect(answer.json["columnDefinitions"].items.map { $0["name"] } == ["Name", "Data", "Age"])
        let row = answer.json["rows"][0]
        #expect(row["cells"][0] == "a" && row["cells"][1] == 1)
        #expect(row["object"].kind == "PartialObjectMetadata" && row["object"].name == "a")
        let whole = try await server.get("\(path)/a?includeObject=Object", accept: table)
        #expect(whole.json["rows"][0]["object"]["data"] == ["k": "v"])
        let bare = try await server.get("\(path)?includeObject=None", accept: table)
        #expect(bare.json["rows"][0]["object"].isNull)
        #expect(try await server.get("\(path)?includeObject=Some", accept: table).status == 400)
    }

    @Test func metadataAlone() async throws {
        try await server.makeConfigMap("a", ["k": "v"])
        let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        let answer = try await server.get(path, accept: accept)
        #expect(answer.json.kind == "PartialObjectMetadataList" && answer.json.apiVersion == "meta.k8s.io/v1")
        let item = answer.json["items"][0]
        #expect(item.kind == "PartialObjectMetadata" && item.name == "a" && item["data"].isNull)
        #expect(!item.resourceVersion.isEmpty)
    }

    @Test func onlyAnAcceptWithoutJSONIs406() async throws {
        #expect(try await server.get(path, accept: "application/vnd.kubernetes.protobuf").status == 406)
        for accept in [
            "application/vnd.kubernetes.protobuf,application/json", "*/*", "application/*",
            "application/yaml, */*;q=0.1",
        ] {
            #expect(try await server.get(path, accept: accept).status == 200, "\(accept)")
        }
    }

    @Test func readableForPeople() async throws {
        try await server.makeConfigMap("a")
        let answer = try await server.get("\(path)/a?pretty=true")
        #expect(answer.text.contains("\n  \"kind\": \"ConfigMap\""))
    }

    @Test func headHasNoBody() async throws {
        try await server.makeConfigMap("a")
        let answer = try await server.send("HEAD", "\(path)/a")
        #expect(answer.status == 200 && answer.body.isEmpty)
    }
}
