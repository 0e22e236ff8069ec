import ArgumentParser
import KubeAPI
import NodeAgent

/// `swiftlet image import|pull|list|remove|self`
struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Import, pull, list and remove this node's images.",
        subcommands: [Import.self, Pull.self, List.self, Remove.self, ImageSelfCommand.self])

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Import images from archives: OCI layouts or docker save, plain or compressed.")

        @OptionGroup var global: GlobalOptions
        @Option(help: "Name of the archive's only image, instead of the names that it brings along.")
        var name: String?
        @Argument(help: "Archives.")
        var archives: [String]

        func validate() throws {
            if name != nil, archives.count > 1 { throw ValidationError("--name names one image: give one archive") }
        }

        func run() throws {
            let store = try ImageCommand.store(global)
            for archive in archives {
                for image in try store.importArchive(path: archive, name: name) {
                    printOut("imported \(image.names.joined(separator: ", ")) (\(image.shortID))")
                }
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List images.")

        @OptionGroup var global: GlobalOptions
        @Option(name: .shortAndLong, help: "table or json.")
        var output = "table"

        func validate() throws {
            guard ["table", "json"].contains(output) else {
                throw ValidationError("--output \(output): it must be table or json")
            }
        }

        func run() throws {
            let images = try ImageCommand.store(global).list()
            if output == "json" {
                let items = images.map { image in
                    [
                        "id": .string(image.id), "names": JSON(image.names), "repoDigests": JSON(image.repoDigests),
                        "sizeBytes": .int(image.sizeBytes),
                        "importedAt": .string(image.importedAt),
                    ] as JSON
                }
                return printOut(String(decoding: (["items": .array(items)] as JSON).prettyPrinted(), as: UTF8.self))
            }
            var table = TextTable(["IMAGE", "ID", "SIZE", "AGE"])
            for image in images {
                let age = Timestamp(rfc3339: image.importedAt).map { (Timestamp.now() - $0).humanDescription } ?? "-"
                let names = image.names.isEmpty ? image.repoDigests : image.names
                for name in names.isEmpty ? ["<none>"] : names {
                    table.add([name, image.shortID, ImageCommand.size(image.sizeBytes), age])
                }
            }
            printOut(table.text)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove images by name or id.")

        @OptionGroup var global: GlobalOptions
        @Argument(help: "Names or ids.")
        var images: [String]

        func run() async throws {
            let store = try ImageCommand.store(global)
            // Without a daemon its containers still run on their layers: only it knows which.
            let used = try await NodeSocket(path: global.paths.kubeletSocket).get("/images/used")
            let users = Dictionary(
                (used?["items"].items ?? []).map { ($0["id"].stringValue, $0["user"].stringValue) },
                uniquingKeysWith: { first, _ in first })
            for image in images {
                for removed in try store.remove(image, user: { users[$0] }) { printOut("removed \(removed)") }
            }
        }
    }

    static func store(_ global: GlobalOptions) throws -> ImageStore {
        let paths = global.paths
        try Files.makeFolder(paths.dataDir, mode: 0o755)
        return try ImageStore(folder: paths.images)
    }

    /// `1.4 MiB`
    static func size(_ bytes: Int64) -> String {
        var value = Double(bytes)
        var unit = "B"
        for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 1024 {
            value /= 1024
            unit = next
        }
        guard unit != "B" else { return "\(bytes) B" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(unit)"
    }
}
