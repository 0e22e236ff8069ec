import KubeAPI
import Logging

/// Deletes jobs, with their pods, some time after their end (`spec.ttlSecondsAfterFinished`).
final class JobTTL: Controller {
    private let client: any APIClient
    private let informers: SharedInformers
    private let queue = WorkQueue<String>()

    init(client: any APIClient, informers: SharedInformers) {
        self.client = client
        self.informers = informers
    }

    func run() async {
        informers.jobs.onEvent { [queue] event in
            if let left = Self.timeLeft(Job(event.object)) { queue.add(event.object.objectKey, after: left) }
        }
        await informers.jobs.waitForSync()
        await queue.run { [self] key in try await sync(key) }
    }

    /// Nil for a job that is not over, or is to stay.
    private static func timeLeft(_ job: Job) -> Duration? {
        guard let ttl = job.ttlAfterFinished, !job.isDeleting,
            let end = Timestamp(job.finished?["lastTransitionTime"] ?? .null)
        else { return nil }
        return max(.zero, end + ttl - .now())
    }

    private func sync(_ key: String) async throws {
        guard let shown = informers.jobs.get(key) else { return }
        do {
            // The time may have been prolonged a moment ago.
            let job = try await client.get(.jobs, namespace: shown.namespace, name: shown.name)
            guard job.uid == shown.uid, let left = Self.timeLeft(Job(job)) else { return }
            guard left <= .zero else { return queue.add(key, after: left) }
            try await client.delete(
                .jobs, namespace: job.namespace, name: job.name,
                options: ["propagationPolicy": "Foreground", "preconditions": ["uid": .string(job.uid)]])
        } catch let error as StatusError where error.isNotFound || error.isConflict {
            return
        }
    }
}
