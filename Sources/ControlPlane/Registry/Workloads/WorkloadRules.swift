import KubeAPI

/// What the kinds that keep pods have in common.
enum WorkloadRules {
    /// A selector that is there, says something and matches the template's labels.
    static func selector(_ spec: JSON, kind: String) -> [FieldError] {
        let selector = spec["selector"]
        guard selector.isObject else { return [.required("spec.selector")] }
        var errors = LabelSelector.validate(selector, field: "spec.selector")
        if selector["matchLabels"].object?.isEmpty ?? true, selector["matchExpressions"].items.isEmpty {
            errors.append(.invalid("spec.selector", selector, "empty selector is invalid for \(kind)"))
        } else if errors.isEmpty, !matchesTemplate(spec) {
            errors.append(
                .invalid(
                    "spec.template.metadata.labels", JSON(templateLabels(spec)),
                    "`selector` does not match template `labels`"))
        }
        return errors
    }

    static func matchesTemplate(_ spec: JSON) -> Bool {
        LabelSelector(spec["selector"]).matches(templateLabels(spec))
    }

    private static func templateLabels(_ spec: JSON) -> [String: String] {
        spec["template"]["metadata"]["labels"].stringMap
    }

    static func nonNegative(_ object: JSON, _ path: String, _ fields: [String]) -> [FieldError] {
        fields.flatMap { FieldError.nonNegative("\(path).\($0)", object[$0]) }
    }

    static func immutable(_ object: JSON, _ old: JSON, _ path: String, _ fields: [String]) -> [FieldError] {
        fields.filter { object[$0] != old[$0] }.map { .immutable("\(path).\($0)", object[$0]) }
    }

    /// A count, or a percentage.
    static func bound(_ value: JSON, _ path: String) -> [FieldError] {
        guard let text = value.string else { return FieldError.nonNegative(path, value) }
        guard IntOrString.string(text).percent == nil else { return [] }
        return [
            .invalid(
                path, value,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                    + "regex used for validation is '[0-9]+%')")
        ]
    }

    static func atMostAll(_ value: JSON, _ path: String) -> [FieldError] {
        guard let percent = IntOrString(value)?.percent, percent > 100 else { return [] }
        return [.invalid(path, value, "must not be greater than 100%")]
    }

    static func isZero(_ bound: JSON) -> Bool {
        let value = IntOrString(bound)
        return (value?.percent ?? value?.scaled(total: 0, roundsUp: false) ?? 0) == 0
    }

    /// `field` counts some of those that `bound` counts.
    static func atMost(_ status: JSON, _ field: String, _ bound: String, _ name: String) -> [FieldError] {
        guard (status[field].int ?? 0) > (status[bound].int ?? 0) else { return [] }
        return [.invalid("status.\(field)", status[field], "cannot be greater than \(name)")]
    }

    static func collisions(_ status: JSON, _ old: JSON) -> [FieldError] {
        guard let before = old["collisionCount"].int, (status["collisionCount"].int ?? 0) < before else { return [] }
        return [.invalid("status.collisionCount", status["collisionCount"], "cannot be decremented")]
    }
}
