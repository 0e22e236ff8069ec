import Testing

@testable import NodeAgent

/// `hostPath` volumes and their types.
@Suite struct HostPathTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("x", to: "file")
        try folder.write("x", to: "folder/inner")
    }

    private func check(_ name: String, _ type: String) -> String? {
        do {
            try HostPath.check(folder.file(name), type: type, volume: "v")
            return nil
        } catch {
            return error.cause
        }
    }

    @Test(arguments: [
        ("file", ""), ("none", ""), ("folder", "Directory"), ("file", "File"), ("folder", "DirectoryOrCreate"),
        ("made/deep", "DirectoryOrCreate"), ("folder/made", "FileOrCreate"), ("file", "FileOrCreate"),
    ])
    func whatIsOfTheTypeIsTaken(name: String, type: String) {
        #expect(check(name, type) == nil)
        if type != "" { #expect(HostFiles.exists(folder.file(name))) }
    }

    @Test(arguments: [
        ("file", "Directory", "is not a directory"), ("none", "Directory", "is not a directory"),
        ("file", "DirectoryOrCreate", "is not a directory"), ("folder", "File", "is not a file"),
        ("none", "File", "is not a file"), ("file", "Socket", "is not a socket file"),
        ("file", "CharDevice", "is not a character device"), ("file", "BlockDevice", "is not a block device"),
    ])
    func whatIsNotIsNamed(name: String, type: String, what: String) {
        #expect(check(name, type) == "hostPath type check failed: \(folder.file(name)) \(what)")
    }

    @Test func devicesAreTold() throws {
        try HostPath.check("/dev/null", type: "CharDevice", volume: "v")
        #expect(throws: VolumeError.self) { try HostPath.check("/tmp/../etc", type: "", volume: "v") }
        #expect(throws: VolumeError.self) { try HostPath.check("relative", type: "", volume: "v") }
    }
}
