extension LabelSelector {
    /// Checks a selector as it stands in an object (`matchLabels`, `matchExpressions`), for `ObjectValidation`.
    /// `field` is its path.
    public static func validate(_ json: JSON, field: String) -> [FieldError] {
        var errors = validateLabels(json["matchLabels"], field: "\(field).matchLabels")
        for (index, expression) in json["matchExpressions"].items.enumerated() {
            let path = "\(field).matchExpressions[\(index)]"
            let values = expression["values"].items
            switch expression["operator"].stringValue {
            case "In", "NotIn":
                if values.isEmpty {
                    errors.append(
                        .required("\(path).values", "must be specified when `operator` is 'In' or 'NotIn'"))
                }
            case "Exists", "DoesNotExist":
                if !values.isEmpty {
                    errors.append(
                        .forbidden(
                            "\(path).values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
                }
            case let other: errors.append(.invalid("\(path).operator", .string(other), "not a valid selector operator"))
            }
            for reason in NameValidation.qualifiedName(expression["key"].stringValue) {
                errors.append(.invalid("\(path).key", .string(expression["key"].stringValue), reason))
            }
            for (position, value) in values.enumerated() {
                for reason in NameValidation.labelValue(value.stringValue) {
                    errors.append(.invalid("\(path).values[\(position)]", value, reason))
                }
            }
        }
        return errors
    }

    /// Checks a map of labels. `field` is its path.
    public static func validateLabels(_ labels: JSON, field: String) -> [FieldError] {
        guard let object = labels.object else { return [] }
        var errors: [FieldError] = []
        for (key, value) in object {
            for reason in NameValidation.qualifiedName(key) { errors.append(.invalid(field, .string(key), reason)) }
            for reason in NameValidation.labelValue(value.stringValue) { errors.append(.invalid(field, value, reason)) }
        }
        return errors
    }
}
