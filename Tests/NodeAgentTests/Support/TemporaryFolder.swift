import Glibc
import Kernel

@testable import NodeAgent

/// A folder of a test's own, gone with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let name = String(UInt64.random(in: 0 ... .max), radix: 16)
        path = "/tmp/swl-node-tests-\(name)"
        try FileTree.makeFolders(path)
    }

    deinit {
        try? FileTree.remove(path)  // a leftover in /tmp fails no test
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ text: String, to name: String) throws {
        let parts = name.split(separator: "/").dropLast().joined(separator: "/")
        if !parts.isEmpty { try FileTree.makeFolders(file(parts)) }
        try HostFiles.writeAtomically(Array(text.utf8), to: file(name), mode: 0o644, isDurable: false)
    }

    func read(_ name: String) throws -> String { String(decoding: try HostFiles.read(file(name)), as: UTF8.self) }
}
