import KubeAPI

/// Templates of pods inside other kinds.
enum PodTemplateValidation {
    static func template(_ template: JSON, _ path: String) -> [FieldError] {
        var errors = MetadataRules.labels(template["metadata"]["labels"], "\(path).labels")
        errors += MetadataRules.annotations(template["metadata"]["annotations"], "\(path).annotations")
        errors += PodValidation.spec(template["spec"], "\(path).spec", isTemplate: true)
        return errors
    }

    /// A template of pods that are to run for ever.
    static func alwaysRunning(_ template: JSON, _ path: String, owner: String) -> [FieldError] {
        var errors = self.template(template, path)
        let policy = template["spec"]["restartPolicy"]
        if policy.string != "Always" { errors.append(.notSupported("\(path).spec.restartPolicy", policy, ["Always"])) }
        if !template["spec"]["activeDeadlineSeconds"].isNull {
            errors.append(
                .forbidden(
                    "\(path).spec.activeDeadlineSeconds", "activeDeadlineSeconds in \(owner) is not Supported"))
        }
        return errors
    }
}
