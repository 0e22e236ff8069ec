import ArgumentParser
import Glibc
import KubeAPI
import NodeAgent

/// `swiftlet image self`: this binary as an image, for pods that run the system's own components.
struct ImageSelfCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "self", abstract: "Make images of this program, and of etcd, and import them.",
        discussion: """
            \(imageName) holds the program as /usr/bin/swiftlet and /hyperkube with the libraries that it needs; \
            \(etcdName) Debian's etcd where it is installed. packaging/manifests has pods that run them.
            """)

    static let imageName = "localhost/swiftlet:current"
    static let etcdName = "localhost/etcd:current"
    private static let etcd = "/usr/bin/etcd"

    @OptionGroup var global: GlobalOptions
    @Option(help: ArgumentHelp("Write the program's image to this archive instead.", valueName: "archive"))
    var output: String?

    func run() throws {
        let program = try Self.program()
        if let output { return try Self.packSelf(program, to: output) }
        let store = try ImageCommand.store(global)
        let folder = global.paths.dataDir
        try Self.import(into: store, folder) { try Self.packSelf(program, to: $0) }
        guard Files.exists(Self.etcd) else {
            return Swiftlet.write("etcd is not installed: no image of it was made\n", to: STDERR_FILENO)
        }
        try Self.import(into: store, folder) { archive in
            try ImagePacker.pack(
                to: archive, name: Self.etcdName, config: ["Entrypoint": [.string(Self.etcd)]],
                try Self.layer(Self.etcd, at: "usr/bin/etcd"))
        }
    }

    private static func packSelf(_ program: String, to archive: String) throws {
        try ImagePacker.pack(
            to: archive, name: imageName, config: ["Entrypoint": ["/usr/bin/swiftlet"]],
            try layer(program, at: "usr/bin/swiftlet") + [ImagePacker.Entry("hyperkube", .link("/usr/bin/swiftlet"))])
    }

    private static func `import`(into store: ImageStore, _ folder: String, _ pack: (String) throws -> Void) throws {
        let archive = "\(folder)/image-self.\(getpid()).tar"
        defer { unlink(archive) }
        try pack(archive)
        for image in try store.importArchive(path: archive) {
            printOut("imported \(image.names.joined(separator: ", ")) (\(image.shortID))")
        }
    }

    private static func program() throws -> String {
        guard let path = realpath("/proc/self/exe", nil) else {
            throw CommandError("cannot find this program: \(String(cString: strerror(errno)))")
        }
        defer { free(path) }
        return String(cString: path)
    }

    /// A program with its libraries where the loader looks for them, and what programs expect of a machine.
    private static func layer(_ program: String, at path: String) throws -> [ImagePacker.Entry] {
        var entries = [
            "tmp", "run", "var", "var/lib", "var/log", "etc", "usr", "usr/bin", "proc", "sys", "dev",
        ].map { ImagePacker.Entry($0, .folder, mode: $0 == "tmp" ? 0o1777 : 0o755) }
        entries += [
            ImagePacker.Entry("etc/passwd", .bytes(Array("root:x:0:0:root:/:/sbin/nologin\n".utf8)), mode: 0o644),
            ImagePacker.Entry("etc/group", .bytes(Array("root:x:0:\n".utf8)), mode: 0o644),
            ImagePacker.Entry("etc/nsswitch.conf", .bytes(Array("hosts: files dns\n".utf8)), mode: 0o644),
            ImagePacker.Entry(path, .file(program)),
        ]
        for library in try LoadedLibraries.of(program) {
            entries.append(ImagePacker.Entry(String(library.dropFirst()), .file(library)))
        }
        return entries
    }
}
