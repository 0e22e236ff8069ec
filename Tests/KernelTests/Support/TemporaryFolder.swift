import Glibc
import Kernel

/// A folder of a test's own, gone with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = "/tmp/swl-kernel-tests-" + String(UInt64.random(in: 0 ... .max), radix: 16)
        try FileTree.makeFolders(path)
    }

    deinit {
        try? FileTree.remove(path)  // a leftover in /tmp fails no test
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func folder(_ name: String) throws { try FileTree.makeFolders(file(name)) }

    /// Makes the file, and its folders.
    func write(_ text: String, to name: String) throws {
        if let slash = name.lastIndex(of: "/") { try folder(String(name[..<slash])) }
        try DurableFile.write(Array(text.utf8), to: file(name), mode: 0o644, isSynced: false)
    }

    func read(_ name: String) throws -> String? {
        try DurableFile.read(file(name)).map { String(decoding: $0, as: UTF8.self) }
    }

    func exists(_ name: String) -> Bool {
        var info = stat()
        return lstat(file(name), &info) == 0
    }
}
