import Synchronization

/// Can be set once, from any thread.
final class OnceFlag: Sendable {
    private let flag = Atomic<Bool>(false)

    var isSet: Bool { flag.load(ordering: .acquiring) }

    /// True for the first who sets it.
    func set() -> Bool { !flag.exchange(true, ordering: .acquiringAndReleasing) }
}
