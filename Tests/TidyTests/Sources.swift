import Glibc

/// Reads the repository's own sources. Paths are relative to the package's root.
enum Sources {
    /// The package's root, from where this file was compiled.
    static let root: String = {
        let file = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return file.dropLast(3).joined(separator: "/")
    }()

    struct Unreadable: Error {
        let path: String
    }

    static func swiftFiles(in folder: String) -> [String] {
        guard let stream = opendir(root + "/" + folder) else { return [] }
        defer { closedir(stream) }
        var files: [String] = []
        while let entry = readdir(stream) {
            let isFolder = entry.pointee.d_type == DT_DIR
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(".") { continue }
            let path = folder + "/" + name
            if isFolder { files += swiftFiles(in: path) } else if name.hasSuffix(".swift") { files.append(path) }
        }
        return files.sorted()
    }

    static func read(_ path: String) throws -> String {
        guard let file = fopen(root + "/" + path, "r") else { throw Unreadable(path: path) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk.prefix(count)
        }
    }

    private static let modifiers: Set<String> = ["public", "package", "internal", "private"]

    /// The modules that a file imports, whatever attributes stand before.
    static func imports(of path: String) throws -> Set<String> {
        var modules: Set<String> = []
        for line in try read(path).split(separator: "\n") where line.contains("import ") {
            let words = line.split(separator: " ").map(String.init)
            guard let position = words.firstIndex(of: "import"), position + 1 < words.count,
                words[..<position].allSatisfy({ $0.hasPrefix("@") || modifiers.contains($0) })
            else { continue }
            let isKindImport = ["struct", "class", "enum", "func", "var", "let", "protocol", "typealias"]
                .contains(words[position + 1])
            let module = isKindImport ? words[min(position + 2, words.count - 1)] : words[position + 1]
            modules.insert(String(module.split(separator: ".").first ?? ""))
        }
        return modules
    }
}
