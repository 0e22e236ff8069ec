import CLinux
import Glibc

/// Small files that the kernel makes up: /proc, /sys, cgroups. One read or one write each.
public enum KernelFile {
    /// The content, at most 64 KiB of it.
    public static func read(_ path: String) throws(KernelError) -> String {
        let file = try FileDescriptor.open(path, O_RDONLY)
        return try content(of: file, path)
    }

    /// The content without the white space around it; nil where it can't be read.
    public static func readIfPresent(_ path: String) -> String? {
        // A probe: absence is an answer.
        guard let text = try? read(path) else { return nil }
        return trimmed(text)
    }

    /// Reads relative to a folder's descriptor.
    public static func read(_ folder: borrowing FileDescriptor, _ name: String) throws(KernelError) -> String {
        let raw = retrying { openat(folder.raw, name, O_RDONLY | O_CLOEXEC) }
        guard raw >= 0 else { throw KernelError("open", name) }
        return try content(of: FileDescriptor(owning: raw), name)
    }

    private static func content(of file: borrowing FileDescriptor, _ path: String) throws(KernelError) -> String {
        var bytes: [UInt8] = []
        while bytes.count < 64 << 10 {
            do throws(KernelError) {
                let chunk = try file.read(upTo: 4096)
                if chunk.isEmpty { break }
                bytes += chunk
            } catch {
                throw KernelError("read", path, code: error.code)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes in one call, as such files want it.
    public static func write(_ text: String, to path: String) throws(KernelError) {
        let raw = retrying { Glibc.open(path, O_WRONLY | O_CLOEXEC) }
        guard raw >= 0 else { throw KernelError("open", path) }
        let file = FileDescriptor(owning: raw)
        var text = text
        let count = text.withUTF8 { bytes in retrying { Glibc.write(file.raw, bytes.baseAddress, bytes.count) } }
        guard count >= 0 else { throw KernelError("write '\(text)' to", path) }
    }

    static func trimmed(_ text: String) -> String {
        var view = Substring(text)
        while let last = view.last, last.isWhitespace { view.removeLast() }
        while let first = view.first, first.isWhitespace { view.removeFirst() }
        return String(view)
    }
}
