import Glibc
import KubeAPI
import Logging
import Synchronization

/// Pulls images into the store. Whoever wants the same image with the same credentials shares one pull; one that nobody
/// wants any more is called off.
public final class ImagePuller: Sendable {
    /// Layers that are fetched from one registry at the same time, over all images.
    private static let layersPerHost = 8

    private struct Key: Hashable {
        var name: String
        var keyring: PullKeyring
    }
    private struct Job {
        var task: Task<PulledImage, any Error>
        var progress: PullProgress
        var waiters: Int
    }
    private struct State {
        var jobs: [Key: Job] = [:]
        var isStopped = false
        var cleaner: Task<Void, Never>?
        var config: (modified: timespec, config: RegistriesConfig)?
    }

    let store: ImageStore
    private let registriesFile: String
    private let connections: RegistryConnections
    private let authorizer: RegistryAuthorizer
    private let flights = LayerFlights()
    private let slots = HostSlots(limit: layersPerHost)
    private let log: Logger
    private let state = Mutex(State())

    /// - Parameter registriesFile: mirrors and settings of registries (`RegistriesConfig`); it may be missing, and is read
    ///   again when it has changed.
    public init(store: ImageStore, registriesFile: String, log: Logger) {
        self.store = store
        self.registriesFile = registriesFile
        self.log = log
        connections = RegistryConnections(log: log)
        authorizer = RegistryAuthorizer(connections: connections)
    }

    /// Pulls an image by its name.
    /// - Parameters:
    ///   - userInfo: `user:password`, for all registries that ask.
    ///   - onBegin: gets how far it comes; another may have begun it.
    /// - Throws: `ImageError`.
    public func pull(
        _ name: String, userInfo: String? = nil, onBegin: (PullProgress) -> Void = { _ in }
    ) async throws -> PulledImage {
        let reference: ImageReference
        do {
            reference = try ImageReference(parsing: name)
        } catch {
            throw ImageError("couldn't parse image name \"\(name)\": \(error)")
        }
        var keyring = PullKeyring()
        if let userInfo {
            let user = userInfo.prefix { $0 != ":" }
            keyring = PullKeyring(
                RegistryCredential(username: String(user), password: String(userInfo.dropFirst(user.count + 1))))
        }
        do {
            return try await pull(reference, keyring: keyring, onBegin: onBegin)
        } catch let error as RegistryError {
            throw ImageError(error.description)
        }
    }

    /// - Throws: `RegistryError`, `ImageError`, `FileError`, `CancellationError`.
    func pull(
        _ reference: ImageReference, keyring: PullKeyring, onBegin: (PullProgress) -> Void = { _ in }
    ) async throws -> PulledImage {
        let key = Key(name: reference.description, keyring: keyring)
        let config = try registries()
        let (task, progress) = try join(key, reference, config)
        onBegin(progress)
        let hasLeft = Once()
        defer { if hasLeft.first() { leave(key, task) } }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            if hasLeft.first() { leave(key, task) }
        }
    }

    /// Calls all pulls off. What they have fetched so far is kept for the next process.
    public func stop() async {
        let tasks = state.withLock { state in
            state.isStopped = true
            state.cleaner?.cancel()
            return state.jobs.values.map(\.task)
        }
        for task in tasks { task.cancel() }
        for task in tasks { _ = await task.result }
        await connections.shutdown()
    }

    // MARK: jobs

    private func join(_ key: Key, _ reference: ImageReference, _ config: RegistriesConfig) throws
        -> (Task<PulledImage, any Error>, PullProgress)
    {
        try state.withLock { state in
            guard !state.isStopped else { throw CancellationError() }
            if var job = state.jobs[key] {
                job.waiters += 1
                state.jobs[key] = job
                return (job.task, job.progress)
            }
            let progress = PullProgress()
            let session = RegistrySession(
                reference, keyring: key.keyring, config: config, connections: connections, authorizer: authorizer)
            let pull = ImagePull(
                reference: reference, session: session, store: store, flights: flights, slots: slots,
                progress: progress, keepsBlobs: { [weak self] in self?.state.withLock { $0.isStopped } ?? true })
            let task = Task {
                defer { self.ended(key) }
                do {
                    return try await pull.run()
                } catch is MissingLayer {
                    // Somebody has removed what it had found there; it is not there now.
                    return try await pull.run()
                }
            }
            state.jobs[key] = Job(task: task, progress: progress, waiters: 1)
            return (task, progress)
        }
    }

    private func leave(_ key: Key, _ task: Task<PulledImage, any Error>) {
        let isUnwanted = state.withLock { state in
            guard var job = state.jobs[key], job.task == task else { return false }
            job.waiters -= 1
            state.jobs[key] = job.waiters > 0 ? job : nil
            return job.waiters == 0
        }
        if isUnwanted { task.cancel() }
    }

    private func ended(_ key: Key) {
        state.withLock { state in
            guard state.cleaner == nil, !state.isStopped else { return }
            state.cleaner = Task { await self.clean() }
        }
    }

    /// Removes in time what broken pulls have left, for as long as there is any.
    func clean() async {
        let folder = store.downloads
        while PartialBlob.removeStale(in: folder) {
            guard (try? await Task.sleep(for: .seconds(PartialBlob.lifetimeSeconds / 2))) != nil else { return }
        }
        state.withLock { $0.cleaner = nil }
    }

    // MARK: configuration

    private func registries() throws -> RegistriesConfig {
        var info = stat()
        let modified = stat(registriesFile, &info) == 0 ? info.st_mtim : timespec()
        let known = state.withLock { $0.config }
        if let known, known.modified.tv_sec == modified.tv_sec, known.modified.tv_nsec == modified.tv_nsec {
            return known.config
        }
        let config = try RegistriesConfig.read(registriesFile)
        if known != nil { connections.forget() }
        state.withLock { $0.config = (modified, config) }
        return config
    }
}

/// True the first time, false afterwards.
private final class Once: Sendable {
    private let isDone = Atomic<Bool>(false)
    func first() -> Bool { !isDone.exchange(true, ordering: .relaxed) }
}
