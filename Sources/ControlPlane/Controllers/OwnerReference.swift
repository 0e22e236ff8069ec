import KubeAPI

extension JSON {
    /// The reference by which an object is owned by this one.
    func ownerReference(isController: Bool = true) -> JSON {
        [
            "apiVersion": .string(apiVersion), "kind": .string(kind), "name": .string(name), "uid": .string(uid),
            "controller": .bool(isController), "blockOwnerDeletion": true,
        ]
    }

    /// Whether `reference` is to this object.
    func isReferred(by reference: JSON) -> Bool { reference["uid"].stringValue == uid && !uid.isEmpty }
}
