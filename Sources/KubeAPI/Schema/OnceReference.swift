import Synchronization

/// A reference that is set once, by whoever is first.
///
/// As `AtomicLazyReference`, whose `load` is a generic call at run time, and took a tenth of every write to the API.
struct OnceReference<Value: AnyObject & Sendable>: ~Copyable, Sendable {
    private let value = Atomic<Unmanaged<Value>?>(nil)

    deinit { value.load(ordering: .acquiring)?.release() }

    @inline(__always)
    func load() -> Value? { value.load(ordering: .acquiring)?.takeUnretainedValue() }

    /// Sets it unless it is set; returns what it holds now.
    func storeIfNil(_ fresh: Value) -> Value {
        let reference = Unmanaged.passRetained(fresh)
        let (isFirst, original) = value.compareExchange(
            expected: nil, desired: reference, ordering: .acquiringAndReleasing)
        if isFirst { return fresh }
        reference.release()
        return original?.takeUnretainedValue() ?? fresh
    }
}
