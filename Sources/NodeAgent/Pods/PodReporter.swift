import KubeAPI

/// What the API knows of a pod, and what is on the way to it. The object is the pod itself, or a static pod's mirror.
struct PodReporter {
    typealias Instant = ContinuousClock.Instant

    /// How long a status may wait that will be outdated in a moment: a start takes a few milliseconds, and a write as
    /// long.
    static let patience: Duration = .milliseconds(200)

    /// How long the place of a mirror that was deleted stays empty: `kubectl delete` waits to see that, and misses a moment
    /// that is too short.
    static let mirrorPause: Duration = .seconds(1)

    /// The status that the API has, as far as is known.
    private(set) var known: JSON
    private var revision: String
    /// The API has the object no more.
    var isGone = false
    let isStatic: Bool

    /// A static pod's object in the API; nil for none. `hasSeenAPI` tells whether that is known.
    private(set) var mirror: Pod?
    private(set) var hasSeenAPI: Bool

    /// The pod was ended before this kubelet looked, and nothing is known here but that: nothing is said either.
    let isFrozen: Bool

    // What is under way.
    var isSending = false
    var isChangingMirror = false
    var isDeleting = false
    /// Before that no other mirror is made.
    private(set) var mirrorDueAt: Instant?
    /// The API has deleted the pod.
    var hasDeleted = false
    var backoff = Backoff(first: .milliseconds(200), limit: .seconds(10))
    /// After a failure.
    var retryAt: Instant?
    /// Since when statuses have been held back; it stays as long as the pod is in motion and nothing is written.
    var heldSince: Instant?
    /// A change that the API took and did not make, or refuses: not sent again before something is new.
    var ignored: JSON?

    init(pod: Pod, mirror: Pod?, isFromRecord: Bool) {
        isStatic = pod.isStatic
        self.mirror = mirror
        hasSeenAPI = mirror != nil || !pod.isStatic && !isFromRecord
        known = isStatic ? mirror?.status ?? .null : pod.status
        revision = (isStatic ? mirror : pod)?.resourceVersion ?? ""
        isFrozen = !isStatic && !isFromRecord && pod.isTerminal
    }

    /// The object that statuses go to; nil while there is none.
    func target(of pod: Pod) -> Pod? {
        if isStatic {
            guard let mirror, !mirror.isDeleting, mirror.annotations[Pod.configMirror] == pod.uid else { return nil }
            return mirror
        }
        return hasSeenAPI && !isGone ? pod : nil
    }

    /// The object as a watch delivers it; false for one that is older than what is known.
    mutating func saw(_ object: Pod) -> Bool {
        let isFirst = !hasSeenAPI
        hasSeenAPI = true
        guard isFirst || Self.isNewer(object.resourceVersion, than: revision) else { return false }
        revision = object.resourceVersion
        if known != object.status { ignored = nil }
        known = object.status
        return true
    }

    /// The object as a write has answered it.
    mutating func wrote(_ object: Pod) {
        guard Self.isNewer(object.resourceVersion, than: revision) else { return }
        revision = object.resourceVersion
        known = object.status
    }

    /// The API has something in a static pod's place.
    mutating func sawMirror(_ object: Pod) {
        hasSeenAPI = true
        // A watch may be behind the answers to our own writes.
        guard Self.isNewer(object.resourceVersion, than: revision) else { return }
        if mirror?.uid != object.uid || known != object.status { ignored = nil }
        mirror = object
        known = object.status
        revision = object.resourceVersion
    }

    /// What the API had in a static pod's place is gone; nil: there is nothing.
    mutating func mirrorWent(uid: String?, now: Instant) {
        hasSeenAPI = true
        guard uid == nil || mirror?.uid == uid else { return }
        if mirror != nil { mirrorDueAt = now + Self.mirrorPause }
        mirror = nil
        known = .null
        ignored = nil
    }

    /// Revisions of one server increase; what is no number is taken as new.
    private static func isNewer(_ revision: String, than other: String) -> Bool {
        guard let revision = UInt64(revision), let other = UInt64(other) else { return true }
        return revision > other
    }
}
