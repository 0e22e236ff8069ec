import KubeAPI

extension FieldError {
    /// `spec.clusterIPs: Invalid value: []string{"10.96.0.1"}: …`: a list of strings as Go prints it.
    static func invalid(_ field: String, strings: [String], _ detail: String) -> FieldError {
        let list = strings.map { "\"\($0)\"" }.joined(separator: ", ")
        return FieldError(.invalid, field, "Invalid value: []string{\(list)}: \(detail)")
    }

    /// `Too many: 1001: must have at most 1000 items`
    static func tooMany(_ field: String, _ count: Int, limit: Int) -> FieldError {
        FieldError(.tooMany, field, "Too many: \(count): must have at most \(limit) items")
    }

    /// `Too long: may not be more than 1048576 bytes`
    static func tooLong(_ field: String, limitBytes: Int) -> FieldError {
        FieldError(.tooLong, field, "Too long: may not be more than \(limitBytes) bytes")
    }

    static func immutable(_ field: String, _ value: JSON) -> FieldError {
        .invalid(field, value, "field is immutable")
    }

    static func nonNegative(_ field: String, _ value: JSON) -> [FieldError] {
        (value.int ?? 0) < 0 ? [.invalid(field, value, "must be greater than or equal to 0")] : []
    }
}
