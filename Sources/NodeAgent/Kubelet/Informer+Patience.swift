import KubeAPI

extension Informer {
    /// Waits for the first list; false when the time is up before, or the caller is called off.
    func waitForSync(atMost patience: Duration) async -> Bool {
        if hasSynced { return true }
        let (results, continuation) = AsyncStream<Bool>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let arrival = Task {
            await waitForSync()
            continuation.yield(hasSynced)
            continuation.finish()
        }
        let timeout = Task {
            // Cancelled when the list comes.
            guard (try? await Task.sleep(for: patience)) != nil else { return }
            continuation.yield(false)
            continuation.finish()
        }
        defer {
            arrival.cancel()
            timeout.cancel()
        }
        // The stream ends without a value when the waiting task is cancelled.
        for await result in results { return result }
        return false
    }
}
