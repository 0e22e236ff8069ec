import KubeAPI
import Testing
import Transport

@testable import ControlPlane

@Suite struct PolicyRuleTests {
    private let user = UserInfo(name: "jane", groups: ["dev", "system:authenticated"])

    private func allows(
        _ rule: PolicyRule, _ verb: String, _ resource: String, _ subresource: String = "", group: String = "",
        name: String = ""
    ) -> Bool {
        rule.allows(
            AccessRequest(
                user: user, verb: verb, group: group, resource: resource, subresource: subresource, namespace: "n",
                name: name))
    }

    @Test func aRuleIsAboutWhatItNames() {
        let rule = PolicyRule(verbs: ["get", "list"], groups: ["", "apps"], resources: ["pods", "deployments/scale"])
        #expect(allows(rule, "get", "pods"))
        #expect(!allows(rule, "delete", "pods"))
        #expect(!allows(rule, "get", "pods", "log"))
        #expect(allows(rule, "get", "deployments", "scale", group: "apps"))
        #expect(!allows(rule, "get", "deployments", group: "apps"))
        #expect(!allows(rule, "get", "pods", group: "batch"))
    }

    @Test func starsStandForAll() {
        #expect(allows(PolicyRule(verbs: ["*"], groups: ["*"], resources: ["*"]), "any", "things", "part", group: "g"))
        let scales = PolicyRule(verbs: ["get"], groups: ["*"], resources: ["*/scale"])
        #expect(allows(scales, "get", "deployments", "scale", group: "apps"))
        #expect(!allows(scales, "get", "deployments", "status", group: "apps"))
        #expect(!allows(scales, "get", "scale"))
    }

    @Test func namesLimitARule() {
        let rule = PolicyRule(verbs: ["get"], groups: [""], resources: ["secrets"], names: ["a", "b"])
        #expect(allows(rule, "get", "secrets", name: "a"))
        #expect(!allows(rule, "get", "secrets", name: "c"))
        #expect(!allows(rule, "get", "secrets"))
    }

    @Test func pathsMayEndInAStar() {
        func allows(_ path: String, _ asked: String) -> Bool {
            PolicyRule(verbs: ["get"], paths: [path]).allows(AccessRequest(user: user, verb: "get", path: asked))
        }
        #expect(allows("/logs/*", "/logs/a/b") && allows("*", "/x") && allows("/version", "/version"))
        #expect(!allows("/logs/*", "/log") && !allows("/version", "/version/"))
    }

    @Test func coveringIsPartByPart() {
        let held = [
            PolicyRule(verbs: ["get", "list"], groups: [""], resources: ["pods"]),
            PolicyRule(verbs: ["*"], groups: ["apps"], resources: ["*/scale"]),
            PolicyRule(verbs: ["get"], groups: [""], resources: ["secrets"], names: ["a"]),
            PolicyRule(verbs: ["get"], paths: ["/logs/*"]),
        ]
        func missing(_ rule: PolicyRule) -> [String] {
            PolicyRule.compact(PolicyRule.uncovered([rule], by: held)).map(\.text)
        }
        #expect(missing(PolicyRule(verbs: ["get"], groups: [""], resources: ["pods"], names: ["x"])) == [])
        #expect(missing(PolicyRule(verbs: ["update"], groups: ["apps"], resources: ["deployments/scale"])) == [])
        #expect(missing(PolicyRule(verbs: ["get"], paths: ["/logs/a", "/logs/*"])) == [])
        #expect(
            missing(PolicyRule(verbs: ["get", "delete", "patch"], groups: [""], resources: ["pods"])) == [
                #"{APIGroups:[""], Resources:["pods"], Verbs:["delete" "patch"]}"#
            ])
        #expect(
            missing(PolicyRule(verbs: ["get"], groups: [""], resources: ["secrets"])) == [
                #"{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}"#
            ])
        #expect(missing(PolicyRule(verbs: ["*"], groups: [""], resources: ["pods"])).count == 1)
        #expect(missing(PolicyRule(verbs: ["get"], paths: ["*"])) == [#"{NonResourceURLs:["*"], Verbs:["get"]}"#])
    }
}

@Suite struct DefaultRoleTests {
    @Test func allHaveRulesThatAreValid() {
        #expect(DefaultRoles.all.count > 60)
        var seen: Set<String> = []
        for role in DefaultRoles.all {
            #expect(seen.insert(role.role.objectKey).inserted, "\(role.name) is there twice")
            #expect(!role.rules.isEmpty, "\(role.name)")
            #expect(RoleStrategy(isClusterRole: role.isClusterRole).validate(role.role).isEmpty, "\(role.name)")
            guard let binding = role.binding else { continue }
            #expect(
                RoleBindingStrategy(isClusterRoleBinding: role.isClusterRole).validate(binding).isEmpty,
                "\(role.name)")
        }
    }

    @Test func adminHasWhatEditHasAndEditWhatViewHas() {
        func rules(_ name: String) -> [PolicyRule] { DefaultRoles.rules(ofClusterRole: name) }
        #expect(PolicyRule.uncovered(rules("view"), by: rules("edit")).isEmpty)
        #expect(PolicyRule.uncovered(rules("edit"), by: rules("admin")).isEmpty)
        let secrets = PolicyRule(verbs: ["get"], groups: [""], resources: ["secrets"])
        #expect(!PolicyRule.uncovered([secrets], by: rules("view")).isEmpty)
        #expect(PolicyRule.uncovered([secrets], by: rules("edit")).isEmpty)
    }
}

/// Roles and bindings as objects, and what they do.
@Suite final class RBACTests: Sendable {
    private let server: TestServer
    private let jane = UserInfo(name: "jane", groups: ["dev", UserInfo.authenticatedGroup])

    init() async throws { server = try await TestServer(namespaces: ["default", "other"]) }

    private func role(_ name: String, _ rules: JSON, namespace: String = "default", as user: UserInfo = .apiserver)
        async throws -> JSON
    {
        try await server.client(as: user).create(
            .roles, namespace: namespace, ["metadata": ["name": .string(name)], "rules": rules])
    }

    private func bind(
        _ name: String, _ subject: JSON, to role: String, kind: String = "Role", as user: UserInfo = .apiserver
    ) async throws -> JSON {
        try await server.client(as: user).create(
            .roleBindings, namespace: "default",
            [
                "metadata": ["name": .string(name)], "subjects": [subject],
                "roleRef": ["kind": .string(kind), "name": .string(role)],
            ])
    }

    private static let jane: JSON = ["kind": "User", "name": "jane"]
    private static let readPods: JSON = [["verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]]]

    private func status(_ path: String, as user: UserInfo? = nil) async throws -> Int {
        try await server.get(path, as: user ?? jane).status
    }

    @Test func aBindingHoldsAtOnceAndNoLonger() async throws {
        let pods = "/api/v1/namespaces/default/pods"
        #expect(try await status(pods) == 403)
        _ = try await role("reader", Self.readPods)
        let binding = try await bind("b", Self.jane, to: "reader")
        #expect(binding["roleRef"]["apiGroup"] == "rbac.authorization.k8s.io")
        #expect(binding["subjects"][0]["apiGroup"] == "rbac.authorization.k8s.io")
        #expect(try await status(pods) == 200)
        #expect(try await status("/api/v1/namespaces/other/pods") == 403)
        #expect(try await status("/api/v1/pods") == 403)
        try await server.admin.delete(.roles, namespace: "default", name: "reader")
        let missing = try await server.get(pods, as: jane)
        #expect(
            missing.json["message"].string
                == #"pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default": RBAC: role.rbac.authorization.k8s.io "reader" not found"#
        )
        _ = try await role("reader", Self.readPods)
        #expect(try await status(pods) == 200)
        try await server.admin.delete(.roleBindings, namespace: "default", name: "b")
        #expect(try await status(pods) == 403)
    }

    @Test func groupsAndServiceAccountsAreBound() async throws {
        _ = try await role("reader", Self.readPods)
        _ = try await bind("g", ["kind": "Group", "name": "ops"], to: "reader")
        _ = try await bind("s", ["kind": "ServiceAccount", "name": "robot", "namespace": "other"], to: "reader")
        let pods = "/api/v1/namespaces/default/pods"
        #expect(try await status(pods, as: UserInfo(name: "x", groups: ["ops"])) == 200)
        #expect(try await status(pods, as: .serviceAccount(namespace: "other", name: "robot")) == 200)
        #expect(try await status(pods, as: .serviceAccount(namespace: "default", name: "robot")) == 403)
        // A service account's name is no user's that somebody else could take.
        _ = try await bind(
            "v", ["kind": "ServiceAccount", "name": "view", "namespace": "default"], to: "view", kind: "ClusterRole")
        #expect(
            try await status(
                "/api/v1/namespaces/default/configmaps", as: .serviceAccount(namespace: "default", name: "view")) == 200
        )
    }

    @Test func everythingIsThereAfterARestart() async throws {
        _ = try await role("reader", Self.readPods)
        _ = try await bind("b", Self.jane, to: "reader")
        server.store.close()
        let again = try await TestServer(folder: server.folder)
        #expect(try await again.get("/api/v1/namespaces/default/pods", as: jane).status == 200)
    }

    // MARK: validation

    @Test func rolesSayWhatIsWrongWithThem() async {
        func why(_ rules: JSON) async -> String? {
            await refusal { try await self.role("r", rules) }?.message.replacing(
                #"Role.rbac.authorization.k8s.io "r" is invalid: "#, with: "")
        }
        #expect(
            await why([["apiGroups": [""], "resources": ["pods"]]])
                == "rules[0].verbs: Required value: verbs must contain at least one value")
        #expect(
            await why([["verbs": ["get"], "resources": ["pods"]]])
                == "rules[0].apiGroups: Required value: resource rules must supply at least one api group")
        #expect(
            await why([["verbs": ["get"], "apiGroups": [""]]])
                == "rules[0].resources: Required value: resource rules must supply at least one resource")
        #expect(
            await why([["verbs": ["get"], "nonResourceURLs": ["/x"]]])
                == #"rules[0].nonResourceURLs: Invalid value: []string{"/x"}: namespaced rules cannot apply to non-resource URLs"#
        )
    }

    @Test func bindingsSayWhatIsWrongWithThem() async throws {
        let prefix = #"RoleBinding.rbac.authorization.k8s.io "b" is invalid: "#
        #expect(
            await refusal { try await bind("b", ["kind": "Robot", "name": "x"], to: "r") }?.message == prefix
                + #"subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group""#)
        #expect(
            await refusal { try await bind("b", ["kind": "ServiceAccount", "name": "x"], to: "r") }?.message == prefix
                + "subjects[0].namespace: Required value")
        _ = try await bind("b", Self.jane, to: "r")
        var binding = try await server.admin.get(.roleBindings, namespace: "default", name: "b")
        binding["roleRef"]["name"] = "other"
        #expect(
            await refusal { try await server.admin.update(.roleBindings, binding) }?.message == prefix
                + #"roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"Role", Name:"other"}: cannot change roleRef"#
        )
    }

    // MARK: escalation

    @Test func nobodyGivesAwayWhatHeLacks() async throws {
        server.registry.authorizer.allow(
            "jane",
            PolicyRule(verbs: ["create", "update", "get"], groups: ["rbac.authorization.k8s.io"], resources: ["*"]),
            PolicyRule(verbs: ["get"], groups: [""], resources: ["pods"]))
        let error = await refusal { try await role("r", Self.readPods, as: jane) }
        #expect(error?.code == 403)
        #expect(
            error?.message
                == "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"jane\" (groups=[\"dev\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\"]}"
        )
        _ = try await role("mine", [["verbs": ["get"], "apiGroups": [""], "resources": ["pods"]]], as: jane)
        // Nor by changing a role later.
        var mine = try await server.admin.get(.roles, namespace: "default", name: "mine")
        mine["rules"][0]["verbs"].append("delete")
        #expect(await refusal { try await server.client(as: jane).update(.roles, mine) }?.code == 403)
        // Nor by binding a role that has more.
        let binding = await refusal { try await bind("b", Self.jane, to: "view", kind: "ClusterRole", as: jane) }
        #expect(binding?.message.contains("is attempting to grant RBAC permissions not currently held") == true)
        _ = try await bind("c", Self.jane, to: "mine", as: jane)
        #expect(
            await refusal { try await bind("d", Self.jane, to: "nothing", as: jane) }?.message
                == #"roles.rbac.authorization.k8s.io "nothing" not found"#)
    }

    @Test func bindAndEscalateAreRightsOfTheirOwn() async throws {
        let group = "rbac.authorization.k8s.io"
        server.registry.authorizer.allow(
            "jane", PolicyRule(verbs: ["create"], groups: [group], resources: ["*"]),
            PolicyRule(verbs: ["escalate"], groups: [group], resources: ["roles"]),
            PolicyRule(verbs: ["bind"], groups: [group], resources: ["clusterroles"], names: ["view"]))
        _ = try await role("r", Self.readPods, as: jane)
        _ = try await bind("b", Self.jane, to: "view", kind: "ClusterRole", as: jane)
        #expect(
            await refusal { try await bind("c", Self.jane, to: "edit", kind: "ClusterRole", as: jane) }?.code == 403)
        let aggregated = await refusal {
            try await server.client(as: jane).create(
                .clusterRoles,
                [
                    "metadata": ["name": "x"],
                    "aggregationRule": ["clusterRoleSelectors": [["matchLabels": ["a": "b"]]]],
                ])
        }
        #expect(
            aggregated?.message.hasSuffix("must have cluster-admin privileges to use an aggregationRule") == true)
    }

    // MARK: the roles of every cluster

    @Test func defaultRolesAreMadeAndMended() async throws {
        for name in ["kube-system", "kube-public"] {
            try await server.admin.create(.namespaces, ["metadata": ["name": .string(name)]])
        }
        let reconciliation = RoleReconciliation(client: server.admin, log: quiet)
        try await reconciliation.run()
        let count = try await server.admin.list(.clusterRoles)["items"].items.count
        #expect(count == DefaultRoles.all.filter(\.isClusterRole).count)
        let revision = server.store.revision
        try await reconciliation.run()
        #expect(server.store.revision == revision)
        // What is missing comes back, what was added stays.
        var basic = try await server.admin.get(.clusterRoles, name: "system:basic-user")
        let rules = basic["rules"].items
        basic["rules"] = [rules[0], ["verbs": ["get"], "apiGroups": [""], "resources": ["pods"]]]
        try await server.admin.update(.clusterRoles, basic)
        var left = try await server.admin.get(.clusterRoles, name: "system:discovery")
        left["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] = "false"
        left["rules"] = []
        try await server.admin.update(.clusterRoles, left)
        try await server.admin.delete(.clusterRoleBindings, name: "system:node-proxier")
        try await reconciliation.run()
        basic = try await server.admin.get(.clusterRoles, name: "system:basic-user")
        #expect(basic["rules"].items.count == 3)
        #expect(PolicyRule.uncovered(rules.map(PolicyRule.init), by: PolicyRule.all(of: basic)).isEmpty)
        left = try await server.admin.get(.clusterRoles, name: "system:discovery")
        #expect(left["rules"].items.isEmpty)
        _ = try await server.admin.get(.clusterRoleBindings, name: "system:node-proxier")
    }

    @Test func aggregatedRolesFollowTheirParts() async throws {
        let controllers = try await RunningControllers(server) { client, informers, _ in
            [ClusterRoleAggregation(client: client, informers: informers, log: quiet)]
        }
        let rule: JSON = ["verbs": ["get"], "apiGroups": ["x"], "resources": ["things"]]
        try await server.admin.create(
            .clusterRoles,
            [
                "metadata": ["name": "all"],
                "aggregationRule": ["clusterRoleSelectors": [["matchLabels": ["part": "yes"]]]],
            ])
        try await server.admin.create(
            .clusterRoles, ["metadata": ["name": "one", "labels": ["part": "yes"]], "rules": [rule]])
        func rules() async throws -> JSON { try await server.admin.get(.clusterRoles, name: "all")["rules"] }
        #expect(try await eventually { try await rules() == [rule] })
        try await server.admin.delete(.clusterRoles, name: "one")
        #expect(try await eventually { try await rules().items.isEmpty })
        await controllers.stop()
    }
}

/// Questions about access.
@Suite final class ReviewTests: Sendable {
    private let server: TestServer
    private let jane = UserInfo(
        name: "jane", groups: ["dev", UserInfo.authenticatedGroup], uid: "7", extra: ["scope": ["a"]])

    init() async throws {
        server = try await TestServer()
        server.registry.authorizer.allow("jane", PolicyRule(verbs: ["get"], groups: [""], resources: ["pods"]))
    }

    private func ask(_ kind: String, _ spec: JSON?, namespace: String? = nil, as user: UserInfo? = nil) async throws
        -> Answer
    {
        let group = kind.contains("Access") || kind.contains("Rules") ? "authorization.k8s.io" : "authentication.k8s.io"
        var body: JSON = ["kind": .string(kind), "apiVersion": .string("\(group)/v1")]
        if let spec { body["spec"] = spec }
        let place = namespace.map { "namespaces/\($0)/" } ?? ""
        return try await server.send(
            "POST", "/apis/\(group)/v1/\(place)\(kind.lowercased())s", body, as: user ?? jane)
    }

    private static let getPods: JSON = [
        "resourceAttributes": ["verb": "get", "resource": "pods", "namespace": "default"]
    ]
    private static let listPods: JSON = [
        "resourceAttributes": ["verb": "list", "resource": "pods", "namespace": "default"]
    ]

    @Test func whoAmI() async throws {
        let answer = try await ask("SelfSubjectReview", nil)
        #expect(answer.status == 201)
        #expect(
            answer.json["status"]["userInfo"] == [
                "username": "jane", "uid": "7", "groups": ["dev", "system:authenticated"], "extra": ["scope": ["a"]],
            ])
    }

    @Test func canI() async throws {
        let yes = try await ask("SelfSubjectAccessReview", Self.getPods)
        #expect(yes.status == 201 && yes.json["status"]["allowed"] == true)
        #expect(
            yes.json["status"]["reason"].string
                == #"RBAC: allowed by ClusterRoleBinding "test:jane" of ClusterRole "test:jane" to User "jane""#)
        #expect(try await ask("SelfSubjectAccessReview", Self.listPods).json["status"] == ["allowed": false])
        let path: JSON = ["nonResourceAttributes": ["verb": "get", "path": "/api"]]
        #expect(try await ask("SelfSubjectAccessReview", path).json["status"]["allowed"] == true)
        let neither = try await ask("SelfSubjectAccessReview", [:])
        #expect(neither.status == 422)
        #expect(
            neither.json["message"].stringValue.hasSuffix(
                "exactly one of nonResourceAttributes or resourceAttributes must be specified"))
    }

    @Test func canSomebodyElse() async throws {
        var spec = Self.getPods
        spec["user"] = "jane"
        #expect(try await ask("SubjectAccessReview", spec).status == 403)
        let yes = try await ask("SubjectAccessReview", spec, as: .apiserver)
        #expect(yes.json["status"]["allowed"] == true)
        spec["user"] = .null
        spec["groups"] = ["system:masters"]
        #expect(try await ask("SubjectAccessReview", spec, as: .apiserver).json["status"]["allowed"] == true)
        spec["groups"] = .null
        #expect(
            try await ask("SubjectAccessReview", spec, as: .apiserver).json["message"].stringValue.hasSuffix(
                #"spec.user: Invalid value: "": at least one of user or group must be specified"#))
        spec["user"] = "jane"
        let local = try await ask("LocalSubjectAccessReview", spec, namespace: "default", as: .apiserver)
        #expect(local.json["status"]["allowed"] == true)
        spec["resourceAttributes"]["namespace"] = "other"
        #expect(
            try await ask("LocalSubjectAccessReview", spec, namespace: "default", as: .apiserver).json["message"]
                .stringValue.hasSuffix(
                    #"spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace"#))
    }

    @Test func whatMayI() async throws {
        let answer = try await ask("SelfSubjectRulesReview", ["namespace": "default"])
        let status = answer.json["status"]
        #expect(status["incomplete"] == false)
        #expect(status["resourceRules"].items.contains(["verbs": ["get"], "apiGroups": [""], "resources": ["pods"]]))
        #expect(status["nonResourceRules"].items.contains { $0["nonResourceURLs"].items.contains("/healthz") })
        let all = try await ask("SelfSubjectRulesReview", ["namespace": "default"], as: .apiserver)
        #expect(
            all.json["status"]["resourceRules"][0] == ["verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]])
        #expect(try await ask("SelfSubjectRulesReview", [:]).status == 400)
    }

    @Test func whoseATokenIs() async throws {
        let token = try await server.admin.create(
            .serviceAccounts, namespace: "default", name: "default", subresource: "token", ["spec": [:]])["status"][
                "token"]
        let answer = try await ask("TokenReview", ["token": token], as: .apiserver)
        #expect(answer.json["status"]["authenticated"] == true)
        #expect(answer.json["status"]["user"]["username"] == "system:serviceaccount:default:default")
        #expect(answer.json["status"]["audiences"] == ["https://kubernetes.default.svc.cluster.local"])
        let other = try await ask("TokenReview", ["token": token, "audiences": ["vault"]], as: .apiserver)
        #expect(other.json["status"]["authenticated"].isNull)
        #expect(other.json["status"]["error"].stringValue.contains("is invalid for the target audiences"))
        let wrong = try await ask("TokenReview", ["token": "nonsense"], as: .apiserver)
        #expect(wrong.json["status"]["error"] == "invalid bearer token")
        #expect(try await ask("TokenReview", [:], as: .apiserver).status == 400)
        #expect(try await ask("TokenReview", ["token": token]).status == 403)
        #expect(try await server.get("/apis/authentication.k8s.io/v1/tokenreviews").status == 405)
    }
}

@Suite struct ImpersonationTests {
    private let authorizer = Authorizer()

    private func apply(_ headers: [(String, String)], as user: UserInfo) throws -> UserInfo {
        let request = try #require(HTTPServerRequest(method: "GET", target: "/api", headers: headers))
        return try Impersonation.apply(request, by: user, authorizer)
    }

    private let master = UserInfo(name: "root", groups: ["system:masters"])
    private let jane = UserInfo(name: "jane", groups: [])

    @Test func mastersMayActAsOthers() throws {
        let headers = [
            ("Impersonate-User", "bob"), ("Impersonate-Group", "x"), ("Impersonate-Group", "y"),
            ("Impersonate-Extra-Scopes%2fa", "s"), ("Impersonate-Uid", "7"),
        ]
        let user = try apply(headers, as: master)
        #expect(user.name == "bob" && user.uid == "7")
        #expect(user.groups == ["x", "y", "system:authenticated"])
        #expect(user.extra == ["scopes/a": ["s"]])
    }

    @Test func aServiceAccountHasItsGroups() throws {
        let user = try apply([("Impersonate-User", "system:serviceaccount:a:b")], as: master)
        #expect(
            user.groups == ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"])
    }

    @Test func everyPartNeedsItsOwnRight() throws {
        func why(_ headers: [(String, String)]) -> String? {
            do {
                _ = try apply(headers, as: jane)
                return nil
            } catch {
                return (error as? StatusError)?.message
            }
        }
        let user = [("Impersonate-User", "bob")]
        #expect(
            why(user)
                == #"users "bob" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope"#
        )
        authorizer.allow(
            "jane", PolicyRule(verbs: ["impersonate"], groups: [""], resources: ["users"], names: ["bob"]),
            PolicyRule(verbs: ["impersonate"], groups: [""], resources: ["serviceaccounts"]),
            PolicyRule(
                verbs: ["impersonate"], groups: ["authentication.k8s.io"], resources: ["userextras/scope"],
                names: ["a"]))
        #expect(why(user) == nil)
        #expect(why([("Impersonate-User", "eve")]) != nil)
        #expect(why(user + [("Impersonate-Group", "system:masters")]) != nil)
        #expect(why(user + [("Impersonate-Uid", "7")]) != nil)
        #expect(why(user + [("Impersonate-Extra-Scope", "a")]) == nil)
        #expect(why(user + [("Impersonate-Extra-Scope", "b")]) != nil)
        #expect(why([("Impersonate-User", "system:serviceaccount:a:b")]) == nil)
        #expect(
            why([("Impersonate-Group", "x")])
                == "Internal error occurred: requested [groups] without impersonating a user")
        #expect(why([]) == nil)
    }
}
