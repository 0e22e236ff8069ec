import KubeAPI

/// Jobs get their selector and the labels of their pods from the server, so that no two ever share a pod.
struct JobStrategy: Strategy {
    var tracksGeneration: Bool { true }
    /// For history's sake; kubectl and every current client say what they want.
    var orphansByDefault: Bool { true }

    static let nameLabels = ["job-name", "batch.kubernetes.io/job-name"]
    static let uidLabels = ["controller-uid", "batch.kubernetes.io/controller-uid"]

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {
        object["status"] = .emptyObject
        guard object["spec"].isObject, object["spec"]["manualSelector"].bool != true else { return }
        var labels = object["spec"]["template"]["metadata"]["labels"]
        // What the client wrote itself is kept, and refused below where it contradicts.
        for label in Self.nameLabels where labels[label].isNull { labels[label] = .string(object.name) }
        for label in Self.uidLabels where labels[label].isNull { labels[label] = .string(object.uid) }
        object["spec"]["template"]["metadata"]["labels"] = labels
        let label = Self.uidLabels[1]
        if object["spec"]["selector"]["matchLabels"][label].isNull {
            object["spec"]["selector"]["matchLabels"][label] = .string(object.uid)
        }
    }

    func validate(_ object: JSON) -> [FieldError] {
        let spec = object["spec"]
        var errors = Self.generated(object)
        errors += WorkloadRules.nonNegative(
            spec, "spec",
            ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"])
        errors += Self.unsupported(spec)
        errors += Self.indexed(object)
        if let manager = spec["managedBy"].string {
            errors += NameValidation.qualifiedName(manager).map { .invalid("spec.managedBy", .string(manager), $0) }
        }
        if spec["selector"].isNull {
            errors.append(.required("spec.selector"))
        } else {
            errors += LabelSelector.validate(spec["selector"], field: "spec.selector")
        }
        errors += PodTemplateValidation.template(spec["template"], "spec.template")
        let policy = spec["template"]["spec"]["restartPolicy"].stringValue
        if policy.isEmpty || policy == "Always" {
            errors.append(
                .required("spec.template.spec.restartPolicy", "valid values: \"OnFailure\", \"Never\""))
        }
        if spec["selector"].isObject, !WorkloadRules.matchesTemplate(spec) {
            errors.append(
                .invalid(
                    "spec.template.metadata.labels", spec["template"]["metadata"]["labels"],
                    "`selector` does not match template `labels`"))
        }
        return errors
    }

    /// Pods at one time of a job with indexes, as in Kubernetes.
    private static let maxIndexedParallelism = 100_000

    private static func indexed(_ object: JSON) -> [FieldError] {
        let spec = object["spec"]
        guard spec["completionMode"].string == "Indexed" else { return [] }
        var errors: [FieldError] = []
        guard let completions = spec["completions"].int else {
            return [.required("spec.completions", "when completion mode is Indexed")]
        }
        if let parallelism = spec["parallelism"].int, parallelism > maxIndexedParallelism {
            errors.append(
                .invalid(
                    "spec.parallelism", spec["parallelism"],
                    "must be less than or equal to \(maxIndexedParallelism) when completion mode is Indexed"))
        }
        // Each pod's host name is made of it.
        let longest = object.name + "-\(max(0, completions - 1))"
        errors += NameValidation.dns1123Label(longest).map {
            .invalid(
                "metadata.name", .string(longest), "will not able to create pod with invalid DNS label: \($0)")
        }
        return errors
    }

    /// What is not run is refused: to take it and run a plain job would do it wrong.
    private static func unsupported(_ spec: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        if let mode = spec["completionMode"].string, mode != "NonIndexed", mode != "Indexed" {
            errors.append(.notSupported("spec.completionMode", .string(mode), ["Indexed", "NonIndexed"]))
        }
        for field in ["backoffLimitPerIndex", "maxFailedIndexes", "podFailurePolicy", "successPolicy"]
        where !spec[field].isNull {
            errors.append(.forbidden("spec.\(field)", "not supported by this server"))
        }
        return errors
    }

    /// What the server gave must not be contradicted by the client.
    private static func generated(_ object: JSON) -> [FieldError] {
        let spec = object["spec"]
        guard spec["manualSelector"].bool != true, spec["selector"].isObject else { return [] }
        let labels = spec["template"]["metadata"]["labels"]
        let wanted = uidLabels.map { ($0, object.uid) } + nameLabels.map { ($0, object.name) }
        var errors: [FieldError] = []
        for (label, value) in wanted {
            let path = "spec.template.metadata.labels[\(label)]"
            if labels[label].isNull {
                errors.append(.required(path, "must be '\(value)'"))
            } else if labels[label].string != value {
                errors.append(.invalid(path, labels, "must be '\(value)'"))
            }
        }
        if !WorkloadRules.matchesTemplate(spec) {
            errors.append(.invalid("spec.selector", spec["selector"], "`selector` not auto-generated"))
        }
        return errors
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        if subresource == "status" { return Self.status(object["status"], old["status"]) }
        var spec = object["spec"]
        // Where a suspended job's pods may go can still change before its first start.
        if old["spec"]["suspend"].bool == true, old["status"]["startTime"].isNull {
            for field in ["nodeSelector", "affinity", "tolerations", "schedulingGates"] {
                spec["template"]["spec"][field] = old["spec"]["template"]["spec"][field]
            }
            for field in ["labels", "annotations"] {
                spec["template"]["metadata"][field] = old["spec"]["template"]["metadata"][field]
            }
        }
        return WorkloadRules.immutable(
            spec, old["spec"], "spec",
            [
                "completions", "selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex",
                "managedBy", "successPolicy",
            ])
    }

    private static func status(_ status: JSON, _ old: JSON) -> [FieldError] {
        var errors = WorkloadRules.nonNegative(
            status, "status", ["active", "succeeded", "failed", "ready", "terminating"])
        func isTrue(_ status: JSON, _ type: String) -> Bool {
            status["conditions"].items.contains { $0["type"].string == type && $0["status"].string == "True" }
        }
        // What has ended stays ended.
        for type in ["Failed", "Complete", "FailureTarget", "SuccessCriteriaMet"]
        where isTrue(old, type) && !isTrue(status, type) {
            errors.append(
                .invalid(
                    "status.conditions", .array(status["conditions"].items), "cannot disable the terminal job condition"
                ))
        }
        if isTrue(status, "Complete"), isTrue(status, "Failed") {
            errors.append(
                .invalid(
                    "status.conditions", status["conditions"], "cannot set Complete=True and Failed=true conditions"))
        }
        if let before = old["succeeded"].int, (status["succeeded"].int ?? 0) < before {
            errors.append(.invalid("status.succeeded", status["succeeded"], "cannot be decremented"))
        }
        if let before = old["failed"].int, (status["failed"].int ?? 0) < before {
            errors.append(.invalid("status.failed", status["failed"], "cannot be decremented"))
        }
        return errors
    }
}
