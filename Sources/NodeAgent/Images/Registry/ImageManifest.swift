import KubeAPI

/// What a manifest says of a blob (OCI image-spec, descriptor.md).
struct BlobDescriptor: Sendable, Hashable {
    var mediaType: String
    var digest: String
    var sizeBytes: Int64

    init(_ json: JSON, what: String) throws(RegistryError) {
        mediaType = json["mediaType"].stringValue
        digest = json["digest"].stringValue
        guard ImageReference.isDigest(digest) else {
            throw RegistryError(.invalid, "the \(what) has no sha256 digest: \"\(digest.prefix(100))\"")
        }
        guard let size = json["size"].int, size >= 0 else {
            throw RegistryError(.invalid, "the \(what) \(digest) has no size")
        }
        sizeBytes = Int64(size)
    }
}

/// A manifest that a registry has sent: of one image, or of one for each platform.
enum ManifestDocument: Sendable {
    /// Of one platform.
    case image(config: BlobDescriptor, layers: [BlobDescriptor])
    case index([Entry])

    /// An image of an index.
    struct Entry: Sendable {
        var descriptor: BlobDescriptor
        var operatingSystem: String
        var architecture: String
        var variant: String
    }

    /// What is asked for, the newer forms first.
    static let accepted = [
        "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
    ]
    private static let configs: Set<String> = [
        "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json",
    ]
    /// Manifests are read into memory; containerd's bound.
    static let sizeLimit = 4 << 20
    /// A layer beyond it is broken or hostile.
    private static let layerLimit: Int64 = 64 << 30

    init(_ bytes: [UInt8], contentType: String?) throws(RegistryError) {
        let type = contentType.map { String($0.prefix { $0 != ";" }) } ?? ""
        let json: JSON
        do {
            json = try JSON.parse(bytes)
        } catch {
            let sent = type.isEmpty ? "something" : type
            throw RegistryError(.invalid, "the registry answered with \(sent) instead of a manifest: \(error)")
        }
        let named = json["mediaType"].string ?? type
        if json["schemaVersion"].int == 1 || named.contains("manifest.v1+prettyjws") {
            throw RegistryError(
                .invalid,
                "media type \"application/vnd.docker.distribution.manifest.v1+prettyjws\" (schema 1) is not supported: push the image anew as "
                    + "\"application/vnd.oci.image.manifest.v1+json\"")
        }
        let isIndex = json["manifests"].array != nil
        let isImage = json["config"].isObject || json["layers"].array != nil
        // One document must not be two things to two readers (CVE-2021-41190).
        guard isIndex != isImage else {
            throw RegistryError(
                .invalid, "the registry answered with \(type.isEmpty ? "JSON" : type), which is no manifest")
        }
        guard !isIndex else {
            self = .index(try json["manifests"].items.map { entry throws(RegistryError) in try Entry(entry) })
            return
        }
        let config = try BlobDescriptor(json["config"], what: "config")
        guard config.mediaType.isEmpty || Self.configs.contains(config.mediaType) else {
            throw RegistryError(
                .invalid, "it is no container image: its config has the media type \"\(config.mediaType.prefix(100))\"")
        }
        guard config.sizeBytes <= Int64(ImageArchive.documentLimit) else {
            throw RegistryError(
                .invalid, "its config has \(config.sizeBytes) bytes, more than \(ImageArchive.documentLimit)")
        }
        let layers = try json["layers"].items.map { layer throws(RegistryError) in
            let descriptor = try BlobDescriptor(layer, what: "layer")
            guard descriptor.sizeBytes <= Self.layerLimit, !descriptor.mediaType.hasSuffix("+encrypted") else {
                throw RegistryError(
                    .invalid,
                    "layer \(descriptor.digest) can't be used: \(descriptor.sizeBytes) bytes of \(descriptor.mediaType)"
                )
            }
            return descriptor
        }
        guard layers.count <= ImageConfig.layerLimit else {
            throw RegistryError(.invalid, "its \(layers.count) layers are more than \(ImageConfig.layerLimit)")
        }
        self = .image(config: config, layers: layers)
    }

    /// The image of an index for this machine: of its plain form where there are variants.
    static func choose(_ entries: [Entry], architecture: String) -> BlobDescriptor? {
        let fitting = entries.filter { $0.operatingSystem == "linux" && $0.architecture == architecture }
        let plain = fitting.first { ["", "v8"].contains($0.variant) } ?? fitting.first { $0.variant == "v1" }
        if let plain = plain ?? fitting.first { return plain.descriptor }
        // Of a single image that says nothing, its config will.
        return entries.count == 1 && entries[0].architecture.isEmpty ? entries[0].descriptor : nil
    }
}

extension ManifestDocument.Entry {
    init(_ json: JSON) throws(RegistryError) {
        descriptor = try BlobDescriptor(json, what: "manifest")
        operatingSystem = json["platform"]["os"].stringValue
        architecture = json["platform"]["architecture"].stringValue
        variant = json["platform"]["variant"].stringValue
    }
}
