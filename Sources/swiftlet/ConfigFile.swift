import Glibc
import KubeAPI

/// `/etc/swiftlet/config.yaml` and the files of `config.d` beside it, in the order of their names. Keys equal the names
/// of flags; flags given on the command line win.
enum ConfigFile {
    /// What a file says of one flag.
    struct Setting {
        let key: String
        /// To be put before those of the command line.
        let arguments: [String]
    }

    /// The file's settings. A missing file has none.
    /// - Throws: `CommandError` naming the file and the key.
    static func settings(path: String, isRequired: Bool) throws -> [Setting] {
        var settings: [(key: String, value: JSON)] = []
        var files = [path]
        let folder = (path.hasSuffix(".yaml") ? String(path.dropLast(5)) : path) + ".d"
        files += Files.names(in: folder).filter { $0.hasSuffix(".yaml") }.sorted().map { folder + "/" + $0 }
        for file in files {
            guard Files.exists(file) else {
                if file == path, isRequired { throw CommandError("cannot read config file \(file): no such file") }
                continue
            }
            let documents: [JSON]
            do {
                documents = try YAML.parse(try Files.read(file))
            } catch {
                throw CommandError("cannot read config file \(file): \(error)")
            }
            for document in documents where !document.isNull {
                guard let object = document.object else {
                    throw CommandError("cannot read config file \(file): it must be a map of flag names to values")
                }
                for (key, value) in object {
                    settings.removeAll { $0.key == key }
                    settings.append((key, value))
                }
            }
        }
        return try settings.map { Setting(key: $0.key, arguments: try arguments(key: $0.key, value: $0.value)) }
    }

    private static func arguments(key: String, value: JSON) throws -> [String] {
        switch value {
        case .null: []
        case .bool(true): ["--\(key)"]
        case .bool(false): []
        case .int(let number): ["--\(key)", String(number)]
        case .double(let number): ["--\(key)", String(number)]
        case .string(let text): ["--\(key)", text]
        case .array(let elements): try elements.flatMap { try arguments(key: key, value: $0) }
        case .object: throw CommandError("cannot use config key \(key): a map is not a flag's value")
        }
    }
}

/// What a command could not do, as it is printed: operation, subject and cause.
struct CommandError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Whole small files, for configuration and credentials.
enum Files {
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// - Throws: `CommandError` with the system's words.
    static func read(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandError("cannot open \(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count >= 0 else { throw CommandError("cannot read \(path): \(String(cString: strerror(errno)))") }
            guard count > 0 else { return content }
            content += chunk.prefix(count)
        }
    }

    /// The entries of a folder, without `.` and `..`; none where it is not there.
    static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Makes a folder and its parents.
    static func makeFolder(_ path: String, mode: mode_t = 0o755) throws {
        var partial = ""
        for part in path.split(separator: "/") {
            partial += "/" + part
            if mkdir(partial, mode) != 0, errno != EEXIST {
                throw CommandError("cannot create folder \(partial): \(String(cString: strerror(errno)))")
            }
        }
    }
}
