import KubeAPI

/// What Kubernetes' admission plug-in ServiceAccount does: every pod acts as an account that is there, gets its pull
/// secrets, and finds its token, the API's CA and its namespace in each container.
enum ServiceAccountAdmission {
    static let mountPath = "/var/run/secrets/kubernetes.io/serviceaccount"
    private static let defaultAccount = "default"
    private static let mirror = "kubernetes.io/config.mirror"
    static let rootCA = "kube-root-ca.crt"

    static func apply(_ pod: inout JSON, _ registry: Registry) throws(StatusError) {
        // A mirror pod reports what runs already; nothing of it is changed.
        guard pod["metadata"]["annotations"][mirror].isNull else { return try checkMirror(pod) }
        let name = accountName(pod)
        pod["spec"]["serviceAccountName"] = .string(name)
        pod["spec"]["serviceAccount"] = .string(name)
        guard let account = account(name, in: pod.namespace, registry) else {
            throw refused(
                pod,
                "error looking up service account \(pod.namespace)/\(name): serviceaccount \"\(name)\" not found")
        }
        if wantsToken(pod, account) { mount(&pod) }
        if pod["spec"]["imagePullSecrets"].items.isEmpty, !account["imagePullSecrets"].items.isEmpty {
            pod["spec"]["imagePullSecrets"] = account["imagePullSecrets"]
        }
    }

    /// The one that the pod names, by the older field too.
    private static func accountName(_ pod: JSON) -> String {
        for field in ["serviceAccountName", "serviceAccount"] {
            if let name = pod["spec"][field].string, !name.isEmpty { return name }
        }
        return defaultAccount
    }

    private static func account(_ name: String, in namespace: String, _ registry: Registry) -> JSON? {
        registry.find("", "v1", "serviceaccounts")?.cache.get("\(namespace)/\(name)")?.tree
    }

    /// Whether the pod is one of a namespace so new that its account `default` is not made yet.
    static func mustWait(for pod: JSON, _ registry: Registry) -> Bool {
        guard pod["metadata"]["annotations"][mirror].isNull, accountName(pod) == defaultAccount,
            registry.namespaces.cache.get(pod.namespace) != nil
        else { return false }
        return registry.find("", "v1", "serviceaccounts")?.cache.get("\(pod.namespace)/\(defaultAccount)") == nil
    }

    /// What the pod says goes before what the account says.
    private static func wantsToken(_ pod: JSON, _ account: JSON) -> Bool {
        pod["spec"]["automountServiceAccountToken"].bool ?? account["automountServiceAccountToken"].bool ?? true
    }

    private static func checkMirror(_ pod: JSON) throws(StatusError) {
        if !pod["spec"]["serviceAccountName"].stringValue.isEmpty {
            throw refused(pod, "a mirror pod may not reference service accounts")
        }
        let projects = pod["spec"]["volumes"].items.contains { volume in
            volume["projected"]["sources"].items.contains { !$0["serviceAccountToken"].isNull }
        }
        if projects { throw refused(pod, "a mirror pod may not use ServiceAccountToken volume projections") }
    }

    // MARK: the volume

    private static func mount(_ pod: inout JSON) {
        let taken = Set(pod["spec"]["volumes"].items.map { $0["name"].stringValue })
        var volume = NameGenerator.name(base: "kube-api-access-")
        while taken.contains(volume) { volume = NameGenerator.name(base: "kube-api-access-") }
        var isNeeded = false
        for list in ["initContainers", "containers"] {
            for index in pod["spec"][list].items.indices {
                let mounts = pod["spec"][list][index]["volumeMounts"].items
                // Who mounts something there has made a choice.
                if mounts.contains(where: { $0["mountPath"].string == mountPath }) { continue }
                isNeeded = true
                pod["spec"][list][index]["volumeMounts"].append([
                    "name": .string(volume), "readOnly": true, "mountPath": .string(mountPath),
                ])
            }
        }
        guard isNeeded else { return }
        pod["spec"]["volumes"].append([
            "name": .string(volume),
            "projected": [
                "sources": [
                    [
                        "serviceAccountToken": [
                            "expirationSeconds": .int(Int64(TokenRequestHandler.projectedSeconds)), "path": "token",
                        ]
                    ],
                    ["configMap": ["name": .string(rootCA), "items": [["key": "ca.crt", "path": "ca.crt"]]]],
                    [
                        "downwardAPI": [
                            "items": [
                                [
                                    "path": "namespace",
                                    "fieldRef": ["apiVersion": "v1", "fieldPath": "metadata.namespace"],
                                ]
                            ]
                        ]
                    ],
                ], "defaultMode": 420,
            ],
        ])
    }

    // MARK: texts

    /// Admission speaks of a pod whose name the server chooses by what its client gave.
    private static func refused(_ pod: JSON, _ why: String) -> StatusError {
        let base = pod["metadata"]["generateName"].stringValue
        let isGenerated = !base.isEmpty && pod.name == base + pod.name.suffix(5)
        let name = isGenerated ? base : pod.name
        return .forbidden("pods \(GoText.quoted(name)) is forbidden: \(why)", "pods", name: name)
    }
}
