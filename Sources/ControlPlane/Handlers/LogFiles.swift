import Glibc
import KubeAPI
import Transport

/// `/logs/`: the files of one folder, for people with a browser or curl.
///
/// Only regular files and folders below it: every step of a path is opened without following links, relative to the
/// descriptor of the step before, so that neither a link nor a rename in the midst leads out.
struct LogFiles: Sendable {
    let root: String

    private static let chunkBytes = 64 << 10

    private enum Entry {
        case file(Descriptor)
        case folder([String])
    }

    /// Closes with its owner.
    private final class Descriptor: Sendable {
        let number: Int32
        init(_ number: Int32) { self.number = number }
        deinit { close(number) }
    }

    func handle(_ exchange: Exchange) throws(StatusError) {
        let path = exchange.request.path
        let isFolderPath = path.hasSuffix("/")
        let parts = path.split(separator: "/", omittingEmptySubsequences: true).dropFirst().map(String.init)
        guard path != "/logs", let entry = find(parts) else {
            if path == "/logs" { return redirect(exchange, to: "/logs/") }
            throw .unknownPath
        }
        switch entry {
        case .folder where !isFolderPath:
            redirect(exchange, to: path.split(separator: "/").last.map { "\($0)/" } ?? "/logs/")
        case .folder(let names):
            exchange.send(
                Array(Self.listing(names).utf8), contentType: "text/html; charset=utf-8")
        case .file where isFolderPath: throw .unknownPath
        case .file(let descriptor): send(descriptor, exchange)
        }
    }

    /// Relative links of a listing need the slash.
    private func redirect(_ exchange: Exchange, to target: String) {
        exchange.send(text: "", status: 301, headers: [("Location", target)])
    }

    private func find(_ parts: [String]) -> Entry? {
        // The folder itself is the administrator's choice and may be a link.
        var current = Descriptor(open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard current.number >= 0 else { return nil }
        for part in parts {
            if part == "." || part == ".." || part.utf8.contains(0) { return nil }
            // Not to be held up by a FIFO.
            let next = openat(current.number, part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            if next < 0 { return nil }
            current = Descriptor(next)
        }
        switch Self.type(of: current.number) {
        case S_IFREG: return .file(current)
        case S_IFDIR: return .folder(Self.names(in: current.number))
        default: return nil
        }
    }

    private static func type(of descriptor: Int32) -> mode_t {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    /// Sorted; folders with a slash. What is neither file nor folder is left out.
    private static func names(in descriptor: Int32) -> [String] {
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else {
            if copy >= 0 { close(copy) }
            return []
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            var status = stat()
            guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG: names.append(name)
            case S_IFDIR: names.append(name + "/")
            default: continue
            }
        }
        return names.sorted()
    }

    /// As Go's file server has it.
    private static func listing(_ names: [String]) -> String {
        var text = "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n"
        for name in names {
            let target = PercentCoding.target(path: "/" + name, query: []).dropFirst()
            text += "<a href=\"\(escaped(String(target)))\">\(escaped(name))</a>\n"
        }
        return text + "</pre>\n"
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&#34;"
            case "'": result += "&#39;"
            default: result.append(character)
            }
        }
    }

    private func send(_ descriptor: Descriptor, _ exchange: Exchange) {
        let stream = exchange.stream(
            contentType: "text/plain; charset=utf-8", headers: [("X-Content-Type-Options", "nosniff")])
        // Off the event loop: a disk may be slow.
        Task {
            let writer = PacedWriter(stream)
            var buffer = [UInt8](repeating: 0, count: Self.chunkBytes)
            while true {
                let count = read(descriptor.number, &buffer, buffer.count)
                if count < 0 { return stream.abort() }
                if count == 0 { return stream.finish() }
                guard await writer.write(Array(buffer[..<count])) else { return }
            }
        }
    }
}
