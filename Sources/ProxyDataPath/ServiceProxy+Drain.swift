import Kernel
import KubeAPI
import Logging

/// Those who wait until what they know of a pod has been carried out.
struct DrainWaiters {
    private struct Waiter {
        let uid: String
        let continuation: CheckedContinuation<Void, Never>
        /// The transaction in the making has what it waits for.
        var isCovered = false
    }
    private var waiters: [UInt64: Waiter] = [:]
    private var next: UInt64 = 0

    var count: Int { waiters.count }

    mutating func add(_ uid: String, _ continuation: CheckedContinuation<Void, Never>) -> UInt64 {
        next += 1
        waiters[next] = Waiter(uid: uid, continuation: continuation)
        return next
    }

    mutating func remove(_ id: UInt64) -> CheckedContinuation<Void, Never>? {
        waiters.removeValue(forKey: id)?.continuation
    }

    /// All that has changed so far is about to be carried out.
    mutating func cover(_ standing: (String) -> LocalPods.Standing) {
        for (id, waiter) in waiters where standing(waiter.uid) != .serving { waiters[id]?.isCovered = true }
    }

    /// It has been carried out, or not.
    mutating func settle(isDone: Bool) -> [CheckedContinuation<Void, Never>] {
        var done: [CheckedContinuation<Void, Never>] = []
        for (id, waiter) in waiters where waiter.isCovered {
            if isDone {
                done.append(waiter.continuation)
                waiters[id] = nil
            } else {
                waiters[id]?.isCovered = false
            }
        }
        return done
    }
}

extension ServiceProxy: EndpointDrain {
    /// Packets of connections that were being opened at the moment of the commit need to arrive, and other nodes hear of
    /// it a little later.
    private static let leastPause = Duration.milliseconds(50)
    private static let pollPause = Duration.milliseconds(20)

    public func drain(podUID: String, addresses: [String], limit: Duration) async {
        guard limit > .zero, standing(ofPod: podUID) != .absent else { return }
        let clock = ContinuousClock()
        let start = clock.now
        await waitUntilCarried(podUID, limit: limit)
        let confirmed = clock.now - start
        await pause(min(Self.leastPause, limit - confirmed))
        let places = addresses.compactMap { IPAddress($0) }
        while clock.now - start < limit, hasOpenConnections(places) { await pause(Self.pollPause) }
        log.debug(
            "an endpoint has drained",
            metadata: [
                "uid": "\(podUID)", "confirmed_ms": "\(confirmed / .milliseconds(1))",
                "dur_ms": "\((clock.now - start) / .milliseconds(1))",
            ])
    }

    private func pause(_ time: Duration) async {
        // Cancelled: the daemon ends, and the pod stays.
        try? await Task.sleep(for: time)
    }

    private func waitUntilCarried(_ uid: String, limit: Duration) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            guard let id = addDrainWaiter(uid, continuation) else { return continuation.resume() }
            loop.after(limit) { [weak self] in self?.removeDrainWaiter(id)?.resume() }
        }
    }

    /// Where they can't be counted nobody is waited for.
    private func hasOpenConnections(_ addresses: [IPAddress]) -> Bool {
        if carrier.openConnections(to: addresses) > 0 { return true }
        do throws(KernelError) {
            for conntrack in conntracks where try conntrack.openConnections(to: addresses) > 0 { return true }
            return false
        } catch {
            log.debug("cannot count connections", metadata: ["err": "\(error)"])
            return false
        }
    }
}
