import KubeAPI

@testable import NodeAgent

/// Image archives of given layers.
struct ImageArchiveWriter {
    var layers: [[UInt8]]
    var name = "demo.example/app:1"
    var config: JSON = ["Cmd": ["sh"], "User": "7"]
    var architecture = ImageStore.machineArchitecture()

    private var configBytes: [UInt8] {
        let json: JSON = [
            "architecture": .string(architecture), "os": "linux", "config": config,
            "rootfs": ["type": "layers", "diff_ids": JSON(layers.map { ContentDigest.of($0) })],
        ]
        return json.serialized()
    }

    private func blob(_ digest: String) -> String { "blobs/sha256/\(digest.dropFirst(7))" }

    /// An OCI layout. `change` may spoil the entries: name and content.
    func oci(_ change: (inout [(name: String, content: [UInt8])]) -> Void = { _ in }) -> [UInt8] {
        let config = configBytes
        let manifest: JSON = [
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": .array(layers.map { descriptor($0, "application/vnd.oci.image.layer.v1.tar") }),
        ]
        let manifestBytes = manifest.serialized()
        var entry = descriptor(manifestBytes, "application/vnd.oci.image.manifest.v1+json")
        entry["annotations"] = ["io.containerd.image.name": .string(name)]
        let index: JSON = ["schemaVersion": 2, "manifests": [entry]]
        var entries: [(name: String, content: [UInt8])] = [
            ("oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
        ]
        entries.append(("index.json", index.serialized()))
        for content in [manifestBytes, config] + layers { entries.append((blob(ContentDigest.of(content)), content)) }
        change(&entries)
        return tar(entries)
    }

    /// A docker-archive.
    func docker() -> [UInt8] {
        let config = configBytes
        let configName = ContentDigest.of(config).dropFirst(7) + ".json"
        var entries: [(name: String, content: [UInt8])] = [(String(configName), config)]
        for (number, layer) in layers.enumerated() { entries.append(("layer\(number)/layer.tar", layer)) }
        let manifest: JSON = [
            [
                "Config": .string(String(configName)), "RepoTags": [.string(name)],
                "Layers": JSON(layers.indices.map { "layer\($0)/layer.tar" }),
            ]
        ]
        entries.append(("manifest.json", manifest.serialized()))
        return tar(entries)
    }

    private func descriptor(_ content: [UInt8], _ type: String) -> JSON {
        ["mediaType": .string(type), "digest": .string(ContentDigest.of(content)), "size": .int(Int64(content.count))]
    }

    private func tar(_ entries: [(name: String, content: [UInt8])]) -> [UInt8] {
        var tar = TarWriter()
        for entry in entries { tar.add(entry.name, content: entry.content) }
        return tar.finished
    }
}
