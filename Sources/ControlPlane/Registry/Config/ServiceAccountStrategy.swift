import KubeAPI

/// Service accounts: their references to secrets are by name alone.
struct ServiceAccountStrategy: Strategy {
    var returnsDeleted: Bool { true }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) { Self.clean(&object) }

    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        Self.clean(&object)
    }

    private static func clean(_ object: inout JSON) {
        for index in object["secrets"].items.indices {
            object["secrets"][index] = ["name": object["secrets"][index]["name"]]
        }
    }
}
