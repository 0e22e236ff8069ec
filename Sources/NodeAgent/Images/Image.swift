import KubeAPI

/// What an image says about the processes made from it (OCI image-spec, config.md, "Properties").
public struct ImageConfig: Sendable, Equatable {
    public var environment: [String] = []
    public var entrypoint: [String] = []
    public var command: [String] = []
    /// `user`, `uid`, `user:group`, `uid:gid`; empty for root.
    public var user = ""
    public var workingDirectory = ""
    /// `80/tcp`, …
    public var exposedPorts: [String] = []
    /// `SIGQUIT`, `SIGRTMIN+3`, `15`; empty for SIGTERM.
    public var stopSignal = ""
    /// Digests of the unpacked layers (`sha256:…`), lowest first.
    public var diffIDs: [String] = []
    public var architecture = ""
    public var operatingSystem = ""

    /// Layers per image: overlayfs stops at 500.
    static let layerLimit = 400

    /// From the config blob.
    init(_ json: JSON) throws(ImageError) {
        let config = json["config"]
        environment = config["Env"].items.compactMap(\.string)
        entrypoint = config["Entrypoint"].items.compactMap(\.string)
        command = config["Cmd"].items.compactMap(\.string)
        user = config["User"].stringValue
        workingDirectory = config["WorkingDir"].stringValue
        exposedPorts = config["ExposedPorts"].object?.names.sorted() ?? []
        stopSignal = config["StopSignal"].stringValue
        architecture = json["architecture"].stringValue
        operatingSystem = json["os"].stringValue
        guard json["rootfs"]["type"].string == "layers" else {
            throw ImageError("cannot use image config: its rootfs is not of type layers")
        }
        diffIDs = json["rootfs"]["diff_ids"].items.map(\.stringValue)
        guard diffIDs.allSatisfy(ImageReference.isDigest) else {
            throw ImageError("cannot use image config: a diff_id is not a sha256 digest")
        }
        guard diffIDs.count <= Self.layerLimit else {
            throw ImageError("cannot use image config: \(diffIDs.count) layers are more than \(Self.layerLimit)")
        }
    }
}

/// An image in the store.
public struct Image: Sendable {
    /// The config's digest, `sha256:…`: what Kubernetes calls the image's id.
    public let id: String
    /// Full names: `docker.io/library/busybox:latest`.
    public var names: [String]
    /// What registries call it: `docker.io/library/busybox@sha256:…`; none for an image that was imported.
    public let repoDigests: [String]
    /// Bytes of the unpacked layers.
    public let sizeBytes: Int64
    /// RFC 3339, when it was imported.
    public let importedAt: String
    public let config: ImageConfig
    /// Folders of the unpacked layers, lowest first.
    public let layers: [String]

    /// The 12 digits that people know an image by.
    public var shortID: String { String(id.dropFirst(7).prefix(12)) }
}

/// What could not be done with an image, and why.
public struct ImageError: Error, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
