import KubeAPI
import Synchronization

/// Why a container's image is not there, in the words of Kubernetes' status and events.
struct ImageProblem: Error, Sendable, Equatable {
    /// `ErrImageNeverPull`, `ErrImagePull`, `InvalidImageName`, `ImageInspectError`.
    var reason: String
    /// What the status says.
    var message: String
    /// What the event says, where that is something else.
    var event: String
    /// Trying again may help; else only another image store does.
    var isRetried: Bool
}

/// Finds the images of containers by their pull policy.
///
/// Nothing is fetched from registries yet: an image that the store lacks is an error that says so.
final class ImageFinder: Sendable {
    /// Accounts of images, so that /etc/passwd is not read for each container.
    private static let accountsLimit = 256

    let store: ImageStore
    private let accounts = Mutex<[String: ImageAccounts]>([:])

    init(store: ImageStore) { self.store = store }

    func find(_ container: Container) throws(ImageProblem) -> FoundImage {
        let text = container.image
        guard ImageReference(text) != nil || text.hasPrefix("sha256:") else {
            let message =
                "Failed to apply default image tag \"\(text)\": couldn't parse image name \"\(text)\": invalid reference format"
            throw ImageProblem(reason: "InvalidImageName", message: message, event: message, isRetried: false)
        }
        let image: Image?
        do {
            image = try store.find(text)
        } catch {
            let message = "Failed to inspect image \"\(text)\": \(error)"
            throw ImageProblem(reason: "ImageInspectError", message: message, event: message, isRetried: true)
        }
        guard let image else {
            if container.imagePullPolicy == "Never" {
                let message = "Container image \"\(text)\" is not present with pull policy of Never"
                throw ImageProblem(reason: "ErrImageNeverPull", message: message, event: message, isRetried: false)
            }
            let name = ImageReference(text)?.description ?? text
            let message =
                "image \(name) is not on this node, and pulling from registries is not supported yet: "
                + "import it with `swiftlet image import`"
            throw ImageProblem(
                reason: "ErrImagePull", message: message, event: "Failed to pull image \"\(text)\": \(message)",
                isRetried: true)
        }
        return FoundImage(
            id: image.id, name: Self.name(of: image, asked: text), config: image.config, layers: image.layers,
            accounts: accounts(of: image))
    }

    /// The name under which it was asked for, in full, if it has that name; else its first.
    private static func name(of image: Image, asked: String) -> String {
        if let name = ImageReference(asked)?.description, image.names.contains(name) { return name }
        return image.names.first ?? image.id
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
