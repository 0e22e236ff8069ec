import KubeAPI

/// What a kind does beyond what its schema says. One per kind that needs one; the defaults below serve the rest.
protocol Strategy: Sendable {
    /// What names of the kind must look like.
    var nameRule: NameRule { get }
    /// Whether `metadata.generation` counts changes of the spec.
    var tracksGeneration: Bool { get }
    /// Whether DELETE answers with the object, as Kubernetes does for some kinds; else with a Status.
    var returnsDeleted: Bool { get }
    /// Whether dependents are orphaned when the client does not say (ReplicationController, for history's sake).
    var orphansByDefault: Bool { get }
    /// Whether an update without a resource version is taken; Kubernetes refuses it for a few kinds.
    var allowsUnconditionalUpdate: Bool { get }
    /// Whether PUT makes an object that is not there; Kubernetes does so for a few kinds.
    var allowsCreateOnUpdate: Bool { get }

    /// Clears what clients don't set at creation and fills in what depends on the cluster. Before defaults.
    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError)
    /// Fills in what follows from other fields. After the schema's defaults, at creation and update.
    func applyDefaults(_ object: inout JSON)
    /// What the schema can't say of an object, new or changed; not asked for a change of the status.
    func validate(_ object: JSON) -> [FieldError]
    /// Restores what an update through this subresource must not touch. Before defaults.
    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError)
    /// What may not change, and at a change of the status what is wrong with it.
    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError]

    /// Reserves what lies outside the object (addresses, ports) and writes it in. The reservation is given back when
    /// the write fails. After defaults, before validation; not for status updates.
    func reserve(_ object: inout JSON, old: JSON?, _ context: WriteContext) throws(StatusError) -> Reservation?
    /// Gives back what a deleted object had reserved.
    func release(_ object: JSON)
    /// Whether stored objects are adopted at start.
    var adoptsStored: Bool { get }
    /// Takes what a stored object has reserved.
    func adopt(_ object: JSON)
    /// Takes what an object has that another server has written, and gives back what it no longer has. Nil: it is gone,
    /// or it is new.
    func observe(_ object: JSON?, replacing old: JSON?)

    /// Seconds until a deleted object may go; nil where the kind knows no grace.
    func gracePeriod(of object: JSON, requested: Int?) -> Int?
    /// Changes an object whose deletion has begun.
    func beginDeletion(_ object: inout JSON)
    /// Whether something other than finalizers holds the object (a namespace's content).
    func isHeld(_ object: JSON) -> Bool
    /// Refuses a deletion, or not.
    func checkDeletion(_ object: JSON) throws(StatusError)
}

extension Strategy {
    var nameRule: NameRule { .subdomain }
    var tracksGeneration: Bool { false }
    var returnsDeleted: Bool { false }
    var orphansByDefault: Bool { false }
    var allowsUnconditionalUpdate: Bool { true }
    var allowsCreateOnUpdate: Bool { false }

    func prepareForCreate(_ object: inout JSON, _ context: WriteContext) throws(StatusError) {}
    func applyDefaults(_ object: inout JSON) {}
    func validate(_ object: JSON) -> [FieldError] { [] }
    func prepareForUpdate(_ object: inout JSON, old: JSON, _ context: WriteContext) throws(StatusError) {
        keepOtherHalf(&object, old: old, context)
    }
    func validateUpdate(_ object: JSON, old: JSON, subresource: String) -> [FieldError] { [] }
    func reserve(_ object: inout JSON, old: JSON?, _ context: WriteContext) throws(StatusError) -> Reservation? { nil }
    func release(_ object: JSON) {}
    var adoptsStored: Bool { false }
    func adopt(_ object: JSON) {}
    func observe(_ object: JSON?, replacing old: JSON?) {
        if let object { adopt(object) } else if let old { release(old) }
    }
    func gracePeriod(of object: JSON, requested: Int?) -> Int? { nil }
    func beginDeletion(_ object: inout JSON) {}
    func isHeld(_ object: JSON) -> Bool { false }
    func checkDeletion(_ object: JSON) throws(StatusError) {}

    /// Through `status` only the status changes (and metadata that is not identity), else everything but the status.
    func keepOtherHalf(_ object: inout JSON, old: JSON, _ context: WriteContext) {
        guard context.hasStatus else { return }
        if context.subresource == "status" {
            let status = object["status"]
            let metadata = object["metadata"]
            object = old
            object["metadata"] = metadata
            object["status"] = status
        } else {
            object["status"] = old["status"]
        }
    }
}

/// A kind of which the schema says all.
struct PlainStrategy: Strategy {}

/// What strategies may ask while an object is written.
struct WriteContext: Sendable {
    let registry: Registry
    let user: UserInfo
    /// Empty for the object itself.
    let subresource: String
    let isDryRun: Bool
    /// Whether the kind has a status subresource.
    let hasStatus: Bool
}

/// Something reserved for an object that is not written yet.
struct Reservation: Sendable {
    /// The write failed, or was only tried: gives it back.
    let cancel: @Sendable () -> Void
    /// The write is stored: gives back what the old object had and the new one does not.
    let commit: @Sendable () -> Void
}
