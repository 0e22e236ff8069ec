import KubeAPI

/// What a controller's template was: written once.
struct ControllerRevisionStrategy: Strategy {
    func validate(_ object: JSON) -> [FieldError] {
        (object["data"].isNull ? [.required("data", "data is mandatory")] : [])
            + FieldError.nonNegative("revision", object["revision"])
    }

    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] {
        object["data"] == old["data"] ? [] : [.immutable("data", object["data"])]
    }
}
