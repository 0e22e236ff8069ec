/// Defaults of the kinds that keep pods (apps/v1, batch/v1).
enum WorkloadDefaults {
    static let deployment: SchemaDefaults.Rule = { deployment in
        guard deployment["spec"].isObject else { return }
        setNumbers(&deployment["spec"], ["replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600])
        deployment["spec"]["strategy"].setDefault("type", "RollingUpdate")
        guard deployment["spec"]["strategy"]["type"] == "RollingUpdate" else { return }
        for bound in ["maxUnavailable", "maxSurge"] {
            deployment["spec"]["strategy"]["rollingUpdate"].setDefault(bound, "25%")
        }
    }

    static let replicaSet: SchemaDefaults.Rule = { set in
        if set["spec"].isObject { setNumbers(&set["spec"], ["replicas": 1]) }
    }

    static let daemonSet: SchemaDefaults.Rule = { set in
        guard set["spec"].isObject else { return }
        setNumbers(&set["spec"], ["revisionHistoryLimit": 10])
        set["spec"]["updateStrategy"].setDefault("type", "RollingUpdate")
        guard set["spec"]["updateStrategy"]["type"] == "RollingUpdate" else { return }
        set["spec"]["updateStrategy"]["rollingUpdate"].setDefault("maxUnavailable", 1)
        set["spec"]["updateStrategy"]["rollingUpdate"].setDefault("maxSurge", 0)
    }

    static let job: SchemaDefaults.Rule = { job in
        guard job["spec"].isObject else { return }
        // A job that says nothing of numbers wants one success of one pod; one with a parallelism alone is a work queue.
        if job["spec"]["completions"].isNull, job["spec"]["parallelism"].isNull { job["spec"]["completions"] = 1 }
        let limit: JSON = job["spec"]["backoffLimitPerIndex"].isNull ? 6 : .int(Int64(Int32.max))
        setNumbers(&job["spec"], ["parallelism": 1, "backoffLimit": limit])
        job["spec"].setDefault("completionMode", "NonIndexed")
        job["spec"].setDefault("suspend", false)
        job["spec"].setDefault("manualSelector", false)
        job["spec"].setDefault(
            "podReplacementPolicy", job["spec"]["podFailurePolicy"].isNull ? "TerminatingOrFailed" : "Failed")
        let labels = job["spec"]["template"]["metadata"]["labels"]
        if labels.isObject, job["metadata"]["labels"].object?.isEmpty ?? true { job["metadata"]["labels"] = labels }
    }

    static let failureCondition: SchemaDefaults.Rule = { $0.setDefault("status", "True") }

    private static func setNumbers(_ spec: inout JSON, _ pairs: KeyValuePairs<String, JSON>) {
        for (name, fallback) in pairs where spec[name].isNull { spec[name] = fallback }
    }
}
