import KubeAPI
import Synchronization

/// Why a container's image is not there, in the words of Kubernetes' status and events.
struct ImageProblem: Error, Sendable, Equatable {
    /// `ErrImageNeverPull`, `ErrImagePull`, `RegistryUnavailable`, `InvalidImageName`, `ImageInspectError`.
    var reason: String
    /// What the status says.
    var message: String
    /// What the event says, where that is something else.
    var event: String
    /// Trying again may help; else only another image store does.
    var isRetried: Bool
}

/// Finds the images of containers by their pull policy, in the store or in their registries
/// (kubernetes pkg/kubelet/images/image_manager.go).
final class ImageFinder: Sendable {
    /// Accounts of images, so that /etc/passwd is not read for each container.
    private static let accountsLimit = 256

    let store: ImageStore
    let puller: ImagePuller
    private let accounts = Mutex<[String: ImageAccounts]>([:])

    init(store: ImageStore, puller: ImagePuller) {
        self.store = store
        self.puller = puller
    }

    /// Whether the node has an image under that name.
    func isPresent(_ text: String) -> Bool {
        // An unreadable store has none; who looks closer is told.
        (try? store.find(text)) != nil
    }

    /// The image of a container; pulled where its policy says so.
    /// - Parameters:
    ///   - keyring: what the pod has to show to registries; asked for where something is pulled.
    ///   - onPull: called before something is pulled.
    func find(
        _ container: Container, keyring: () async -> PullKeyring, onPull: () -> Void
    ) async throws(ImageProblem) -> FoundImage {
        let began = ContinuousClock.now
        let text = container.image
        let reference: ImageReference
        do {
            reference = try ImageReference(parsing: text)
        } catch {
            let message =
                "Failed to apply default image tag \"\(text)\": couldn't parse image name \"\(text)\": \(error)"
            throw ImageProblem(reason: "InvalidImageName", message: message, event: message, isRetried: false)
        }
        if container.imagePullPolicy != "Always", let image = try present(text) { return found(image, asked: text) }
        if container.imagePullPolicy == "Never" {
            let message = "Container image \"\(text)\" is not present with pull policy of Never"
            throw ImageProblem(reason: "ErrImageNeverPull", message: message, event: message, isRetried: false)
        }
        onPull()
        do {
            let pulled = try await puller.pull(reference, keyring: await keyring())
            var image = found(pulled.image, asked: text, reference: pulled.repoDigest)
            image.pull = PullSummary(
                took: pulled.duration, waited: ContinuousClock.now - began, sizeBytes: pulled.image.sizeBytes)
            return image
        } catch {
            throw Self.problem(text, error)
        }
    }

    private func present(_ text: String) throws(ImageProblem) -> Image? {
        do {
            return try store.find(text)
        } catch {
            let message = "Failed to inspect image \"\(text)\": \(error)"
            throw ImageProblem(reason: "ImageInspectError", message: message, event: message, isRetried: true)
        }
    }

    /// In the words of `evalCRIPullErr`.
    private static func problem(_ text: String, _ error: any Error) -> ImageProblem {
        let isUnavailable = (error as? RegistryError)?.kind == .unavailable
        let cause = isUnavailable ? "RegistryUnavailable: \(error)" : "\(error)"
        return ImageProblem(
            reason: isUnavailable ? "RegistryUnavailable" : "ErrImagePull",
            message: isUnavailable
                ? "image pull failed for \(text) because the registry is unavailable: \(error)" : "\(error)",
            event: "Failed to pull image \"\(text)\": \(cause)", isRetried: true)
    }

    private func found(_ image: Image, asked text: String, reference: String? = nil) -> FoundImage {
        let repository = ImageReference(text).map { $0.repository + "@" } ?? ""
        return FoundImage(
            id: image.id,
            reference: reference ?? image.repoDigests.first { $0.hasPrefix(repository) } ?? image.repoDigests.first
                ?? image.id,
            name: Self.name(of: image, asked: text), config: image.config, layers: image.layers,
            accounts: accounts(of: image))
    }

    /// The name under which it was asked for, in full, if it has that name; else its first.
    private static func name(of image: Image, asked: String) -> String {
        if let name = ImageReference(asked)?.description, image.names.contains(name) { return name }
        return image.names.first ?? image.repoDigests.first ?? image.id
    }

    private func accounts(of image: Image) -> ImageAccounts {
        if let known = accounts.withLock({ $0[image.id] }) { return known }
        let read = ImageAccounts(layers: image.layers)
        accounts.withLock { accounts in
            if accounts.count >= Self.accountsLimit { accounts.removeAll() }
            accounts[image.id] = read
        }
        return read
    }
}
