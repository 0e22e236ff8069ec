import Glibc

/// An endpoint as the loop keeps it.
struct PoolEndpoint: BitwiseCopyable {
    let address: SocketAddress
    /// It could not be reached: others are taken until then.
    var avoidedUntilMs: UInt32 = 0
}

/// The endpoints that one kind of client of a service port is given, in plain memory.
struct EndpointPool: BitwiseCopyable {
    /// Its number with the generation; -1 for none.
    var number: Int32 = -1
    private(set) var backends: UnsafeMutablePointer<PoolEndpoint>?
    private(set) var count: Int32 = 0
    /// Clients keep their endpoint for so long; 0 without affinity.
    var affinitySeconds: Int32 = 0
    /// Whose affinity it is: pools of one service port share it.
    var affinityKey: Int32 = 0

    /// Replaces the endpoints. One that stays keeps what is known of it.
    mutating func replace(_ addresses: [SocketAddress]) {
        let wanted = addresses.prefix(ForwarderLimits.backendsPerPool)
        let old = UnsafeMutableBufferPointer(start: backends, count: Int(count))
        guard !wanted.isEmpty else { return free() }
        let new = UnsafeMutablePointer<PoolEndpoint>.allocate(capacity: wanted.count)
        let avoided = old.filter { $0.avoidedUntilMs != 0 }
        for (index, address) in wanted.enumerated() {
            let known = avoided.first { $0.address == address }
            (new + index).initialize(to: known ?? PoolEndpoint(address: address))
        }
        free()
        backends = new
        count = Int32(wanted.count)
    }

    mutating func free() {
        backends?.deallocate()
        backends = nil
        count = 0
    }

    func address(_ index: Int32) -> SocketAddress? {
        guard let backends, index >= 0, index < count else { return nil }
        return backends[Int(index)].address
    }

    func index(of address: SocketAddress) -> Int32? {
        guard let backends else { return nil }
        for index in 0..<Int(count) where backends[index].address == address { return Int32(index) }
        return nil
    }

    /// One of them, by a random number: the first from there on that is not avoided, or the first of all.
    func choose(_ random: UInt64, nowMs: UInt32) -> Int32? {
        guard let backends, count > 0 else { return nil }
        let start = Int(((random >> 32) &* UInt64(count)) >> 32)
        for step in 0..<Int(count) {
            let index = start + step < Int(count) ? start + step : start + step - Int(count)
            if !isAvoided(backends[index], nowMs) { return Int32(index) }
        }
        return Int32(start)
    }

    /// The one after that, for another try; nil where there is no other.
    func choose(after index: Int32, nowMs: UInt32) -> Int32? {
        guard let backends, count > 1, index >= 0 else { return nil }
        let index = min(index, count - 1)
        for step in 1..<count {
            let next = (index + step) % count
            if !isAvoided(backends[Int(next)], nowMs) { return next }
        }
        return (index + 1) % count
    }

    /// Remembers that it could not be reached.
    mutating func avoid(_ index: Int32, nowMs: UInt32) {
        guard let backends, index >= 0, index < count else { return }
        // Zero stands for never.
        backends[Int(index)].avoidedUntilMs = max(1, nowMs &+ ForwarderLimits.avoidMs)
    }

    private func isAvoided(_ backend: PoolEndpoint, _ nowMs: UInt32) -> Bool {
        backend.avoidedUntilMs != 0 && Int32(bitPattern: backend.avoidedUntilMs &- nowMs) > 0
    }
}
