import KubeAPI

/// Events, in the form of core/v1 and, with `eventTime`, in that of events.k8s.io/v1: there the fields have other names
/// and more of them are required.
struct EventStrategy: Strategy {
    private static let maxField = 128
    private static let maxMessage = 1024

    var nameRule: NameRule { .pathSegment }
    var allowsCreateOnUpdate: Bool { true }

    func validate(_ object: JSON) -> [FieldError] {
        let involved = object["involvedObject"].isNull ? object["regarding"] : object["involvedObject"]
        let inside = involved["namespace"].stringValue
        let namespace = object.namespace
        let mismatch = FieldError.invalid(
            "involvedObject.namespace", .string(inside), "does not match event.namespace")
        var errors: [FieldError] = []
        if object["eventTime"].isNull {
            // Events about objects outside namespaces are in `default`.
            if inside.isEmpty ? !["", "default"].contains(namespace) : inside != namespace { errors.append(mismatch) }
        } else {
            if inside.isEmpty, !["default", "kube-system"].contains(namespace) { errors.append(mismatch) }
            errors += newForm(object)
        }
        errors += NameValidation.dns1123Subdomain(namespace).map { .invalid("namespace", .string(namespace), $0) }
        return errors
    }

    private func newForm(_ object: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        let component = object["reportingComponent"].string ?? object["reportingController"].stringValue
        if component.isEmpty { errors.append(.required("reportingController")) }
        errors += NameValidation.qualifiedName(component).map {
            .invalid("reportingController", .string(component), $0)
        }
        for field in ["reportingInstance", "action", "reason"] {
            let text = object[field].stringValue
            if text.isEmpty { errors.append(.required(field)) }
            if text.utf8.count > Self.maxField {
                errors.append(.invalid(field, "", "can have at most \(Self.maxField) characters"))
            }
        }
        let message = object["message"].string ?? object["note"].stringValue
        if message.utf8.count > Self.maxMessage {
            errors.append(.invalid("message", "", "can have at most \(Self.maxMessage) characters"))
        }
        return errors
    }
}
