import Glibc
import Kernel

/// Unpacks one image layer into a folder that overlayfs takes as a lower directory (OCI image-spec, layer.md).
///
/// Nothing is reached by a path: every parent is opened name by name below the root's descriptor, links are resolved by
/// us and refused where they lead out, so that no archive can write anywhere else. The folder must be private to the
/// caller until this returns.
struct LayerUnpacker: ~Copyable {
    /// What one layer may hold: more is a broken or hostile archive.
    static let entryLimit = 2_000_000
    static let byteLimit: Int64 = 64 << 30
    private static let linkLimit = 40

    private let root: Int32
    private let subject: String
    /// Without root's rights owners, devices and whiteouts can't be made: tests of the rest run so.
    private let isPrivileged: Bool
    private var parentName: [UInt8]?
    private var parent: Int32 = -1
    /// Names that a whiteout of this layer removed from the layers below.
    private var whiteouts: Set<[UInt8]> = []
    /// Folders get their times last: every file made in them changes these.
    private var folderTimes: [(name: [UInt8], modified: timespec)] = []
    private(set) var sizeBytes: Int64 = 0

    /// - Parameter folder: exists and is empty.
    init(folder: String, subject: String, isPrivileged: Bool = geteuid() == 0) throws(ImageError) {
        self.subject = subject
        self.isPrivileged = isPrivileged
        root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard root >= 0 else { throw ImageError("\(FileError("open", folder))") }
        // What an archive does not name itself belongs to root and may be read by all.
        _ = fchmod(root, 0o755)
    }

    deinit {
        if parent >= 0 { close(parent) }
        close(root)
    }

    private func failure(_ name: [UInt8], _ cause: String) -> ImageError {
        ImageError("cannot unpack \(subject): entry \"\(String(decoding: name.prefix(512), as: UTF8.self))\" \(cause)")
    }
    private func failure(_ name: [UInt8], code: Int32 = errno) -> ImageError {
        failure(name, "failed: \(FileError.words(code))")
    }

    /// Unpacks all entries.
    mutating func unpack(_ archive: ArchiveReader) throws {
        var entries = 0
        while let entry = try archive.next() {
            entries += 1
            guard entries <= Self.entryLimit else {
                throw ImageError("cannot unpack \(subject): more than \(Self.entryLimit) entries")
            }
            guard let name = entry.name else { throw ImageError("cannot unpack \(subject): an entry has no name") }
            try add(entry, name: name, from: archive)
        }
        for (name, modified) in folderTimes.reversed() {
            let folder = try openFolder(components(name), of: name)
            defer { close(folder) }
            setTimes(folder, modified)
        }
    }

    /// The parts of a name, checked: relative, without `..`.
    private func components(_ name: [UInt8]) throws(ImageError) -> [[UInt8]] {
        if name.first == UInt8(ascii: "/"), name.contains(where: { $0 != UInt8(ascii: "/") }) {
            throw failure(name, "is refused: its name is absolute")
        }
        let parts = name.split(separator: UInt8(ascii: "/")).map(Array.init).filter { $0 != Array(".".utf8) }
        guard !parts.contains(Array("..".utf8)) else {
            throw failure(name, "is refused: its name leads out of the root")
        }
        return parts
    }

    private mutating func add(_ entry: ArchiveEntry, name: [UInt8], from archive: ArchiveReader) throws {
        let parts = try components(name)
        guard let last = parts.last else {
            // The root itself: only what it says about the folder counts.
            if entry.kind == .folder { try setMetadata(of: root, entry: entry, name: name) }
            return
        }
        let folder = try openParent(Array(parts.dropLast()), of: name)
        let key = Array(parts.joined(separator: [UInt8(ascii: "/")]))

        let whiteout = Array(".wh.".utf8)
        if last.starts(with: whiteout) {
            try addWhiteout(Array(last.dropFirst(whiteout.count)), in: folder, key: key, name: name)
            return
        }
        try clearWay(last, in: folder, for: entry.kind, name: name)
        let file = last + [0]
        if let target = entry.hardLinkTarget {
            try addHardLink(to: target, as: last, in: folder, name: name)
            return
        }
        switch entry.kind {
        case .file:
            let descriptor = openat(folder, chars(file), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw failure(name) }
            defer { close(descriptor) }
            try writeData(from: archive, to: descriptor, entry: entry, name: name)
            try setMetadata(of: descriptor, entry: entry, name: name)
            setTimes(descriptor, entry.modified)
        case .folder:
            if mkdirat(folder, chars(file), 0o700) != 0, errno != EEXIST { throw failure(name) }
            let descriptor = openat(folder, chars(file), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else { throw failure(name) }
            defer { close(descriptor) }
            try setMetadata(of: descriptor, entry: entry, name: name)
            // It was removed and made anew by this layer: nothing of the layers below may shine through.
            if whiteouts.contains(key) { try setOpaque(descriptor, name: name) }
            folderTimes.append((name, entry.modified))
        case .symbolicLink:
            guard let target = entry.symbolicLinkTarget, !target.isEmpty else { throw failure(name, "has no target") }
            guard symlinkat(chars(target + [0]), folder, chars(file)) == 0 else { throw failure(name) }
            try setOwner(of: file, in: folder, entry: entry, name: name)
        case .characterDevice, .blockDevice, .fifo:
            guard isPrivileged || entry.kind == .fifo else { return }
            let type = entry.kind == .characterDevice ? S_IFCHR : entry.kind == .blockDevice ? S_IFBLK : S_IFIFO
            // A character device 0/0 would be a whiteout to overlayfs: only `.wh.` may say that.
            guard !(entry.kind == .characterDevice && entry.device == 0) else {
                throw failure(name, "is refused: a device 0/0 hides files of other layers")
            }
            guard mknodat(folder, chars(file), type | 0o600, entry.kind == .fifo ? 0 : entry.device) == 0 else {
                throw failure(name)
            }
            try setOwner(of: file, in: folder, entry: entry, name: name)
            guard fchmodat(folder, chars(file), entry.mode, 0) == 0 else { throw failure(name) }
        case .other:
            break  // sockets and whatever else means nothing in an image
        }
    }

    /// What a same-named earlier entry left: a folder stays for a folder, all else is replaced.
    private mutating func clearWay(_ last: [UInt8], in folder: Int32, for kind: ArchiveEntry.Kind, name: [UInt8])
        throws(ImageError)
    {
        var info = stat()
        guard fstatat(folder, chars(last + [0]), &info, AT_SYMLINK_NOFOLLOW) == 0 else { return }
        let isFolder = info.st_mode & S_IFMT == S_IFDIR
        if isFolder {
            guard kind == .folder else { throw failure(name, "is refused: it replaces a folder of the same layer") }
            return
        }
        guard unlinkat(folder, chars(last + [0]), 0) == 0 else { throw failure(name) }
        if kind == .folder { forgetParent() }
    }

    private mutating func addWhiteout(_ hidden: [UInt8], in folder: Int32, key: [UInt8], name: [UInt8])
        throws(ImageError)
    {
        if hidden == Array(".wh..opq".utf8) { return try setOpaque(folder, name: name) }
        // `.wh..wh.` names are AUFS' own bookkeeping.
        if hidden.starts(with: Array(".wh.".utf8)) { return }
        guard !hidden.isEmpty, hidden != Array(".".utf8), hidden != Array("..".utf8) else {
            throw failure(name, "is refused: it is no valid whiteout")
        }
        let prefix = key.lastIndex(of: UInt8(ascii: "/")).map { Array(key[...$0]) } ?? []
        whiteouts.insert(prefix + hidden)
        var info = stat()
        if fstatat(folder, chars(hidden + [0]), &info, AT_SYMLINK_NOFOLLOW) == 0 {
            // The layer holds the name itself: the whiteout is about the layers below, which a folder must then hide.
            if info.st_mode & S_IFMT == S_IFDIR {
                let descriptor = openat(folder, chars(hidden + [0]), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                guard descriptor >= 0 else { throw failure(name) }
                defer { close(descriptor) }
                try setOpaque(descriptor, name: name)
            }
            return
        }
        guard isPrivileged else { return }
        guard mknodat(folder, chars(hidden + [0]), S_IFCHR, 0) == 0 else { throw failure(name) }
    }

    private func setOpaque(_ folder: Int32, name: [UInt8]) throws(ImageError) {
        guard isPrivileged else { return }
        if let code = ExtendedAttributes.set("trusted.overlay.opaque", to: Array("y".utf8), of: folder) {
            throw failure(name, code: code)
        }
    }

    private mutating func addHardLink(to target: [UInt8], as last: [UInt8], in folder: Int32, name: [UInt8])
        throws(ImageError)
    {
        let parts = try components(target.first == UInt8(ascii: "/") ? Array(target.dropFirst()) : target)
        guard let file = parts.last else { throw failure(name, "is refused: it links to the root") }
        let source = try openFolder(Array(parts.dropLast()), of: name, isMaking: false)
        defer { close(source) }
        var info = stat()
        guard fstatat(source, chars(file + [0]), &info, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw failure(
                name, "is refused: it links to \"\(String(decoding: target, as: UTF8.self))\", which the layer lacks")
        }
        guard linkat(source, chars(file + [0]), folder, chars(last + [0]), 0) == 0 else { throw failure(name) }
    }

    private mutating func writeData(
        from archive: ArchiveReader, to descriptor: Int32, entry: ArchiveEntry, name: [UInt8]
    ) throws {
        var total = sizeBytes
        let subject = subject
        try archive.readData { bytes, offset in
            total += Int64(bytes.count)
            guard total <= Self.byteLimit else {
                throw ImageError("cannot unpack \(subject): more than \(Self.byteLimit) bytes")
            }
            var written = 0
            while written < bytes.count {
                let count = pwrite(
                    descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written, off_t(offset) + written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    throw ImageError(
                        "cannot unpack \(subject): entry \"\(String(decoding: name, as: UTF8.self))\" failed: "
                            + FileError.words(errno))
                }
                written += count
            }
        }
        sizeBytes = total
        // A sparse file may end in a hole.
        guard ftruncate(descriptor, off_t(entry.sizeBytes)) == 0 else { throw failure(name) }
    }

    // MARK: Metadata

    private func setMetadata(of descriptor: Int32, entry: ArchiveEntry, name: [UInt8]) throws(ImageError) {
        if isPrivileged, fchown(descriptor, entry.owner, entry.group) != 0 { throw failure(name) }
        // After the owner: changing that clears setuid and the capabilities.
        guard fchmod(descriptor, entry.mode) == 0 else { throw failure(name) }
        for (attribute, value) in entry.attributes {
            // trusted.overlay.* would redirect overlayfs to other files; labels of another machine mean nothing here.
            guard attribute == "security.capability" || attribute.hasPrefix("user.") else { continue }
            guard isPrivileged || attribute.hasPrefix("user.") else { continue }
            if let code = ExtendedAttributes.set(attribute, to: value, of: descriptor), code != ENOTSUP {
                throw failure(name, "cannot get attribute \(attribute): \(FileError.words(code))")
            }
        }
    }

    private func setOwner(of file: [UInt8], in folder: Int32, entry: ArchiveEntry, name: [UInt8]) throws(ImageError) {
        guard isPrivileged else { return }
        guard fchownat(folder, chars(file), entry.owner, entry.group, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw failure(name)
        }
    }

    private func setTimes(_ descriptor: Int32, _ modified: timespec) {
        let times = [modified, modified]
        _ = futimens(descriptor, times)  // a time out of the file system's range is no reason to refuse an image
    }

    // MARK: Folders

    private func chars(_ bytes: [UInt8]) -> [CChar] { bytes.map { CChar(bitPattern: $0) } }

    private mutating func forgetParent() {
        if parent >= 0 { close(parent) }
        parent = -1
        parentName = nil
    }

    /// The folder that holds an entry, kept open for the next entry, which mostly lies in the same.
    private mutating func openParent(_ parts: [[UInt8]], of name: [UInt8]) throws(ImageError) -> Int32 {
        let joined = Array(parts.joined(separator: [UInt8(ascii: "/")]))
        if parent >= 0, parentName == joined { return parent }
        forgetParent()
        parent = try openFolder(parts, of: name)
        parentName = joined
        return parent
    }

    /// Opens a folder below the root, making what is missing. Links are followed as long as they stay inside.
    private func openFolder(_ parts: [[UInt8]], of name: [UInt8], isMaking: Bool = true) throws(ImageError) -> Int32 {
        let start = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard start >= 0 else { throw failure(name) }
        var stack = [start]
        var todo = Array(parts.reversed())
        var links = 0
        func closeAll() { for descriptor in stack { close(descriptor) } }
        while let part = todo.popLast() {
            guard let current = stack.last else { break }
            if part == Array("..".utf8) {
                guard stack.count > 1 else {
                    closeAll()
                    throw failure(name, "is refused: a link on its way leads out of the root")
                }
                close(stack.removeLast())
                continue
            }
            let file = chars(part + [0])
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
            var next = openat(current, file, flags)
            if next < 0, errno == ENOENT, isMaking {
                if mkdirat(current, file, 0o755) == 0 { next = openat(current, file, flags) }
            }
            if next >= 0 {
                stack.append(next)
                continue
            }
            let code = errno
            var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlinkat(current, file, &buffer, buffer.count)
            let target = buffer.map { UInt8(bitPattern: $0) }
            guard count > 0 else {
                closeAll()
                throw failure(name, code: code)
            }
            links += 1
            guard target[0] != UInt8(ascii: "/"), links <= Self.linkLimit else {
                closeAll()
                throw failure(name, "is refused: a link on its way leads out of the root")
            }
            let steps = target.prefix(count).split(separator: UInt8(ascii: "/")).map(Array.init)
            todo.append(contentsOf: steps.filter { $0 != Array(".".utf8) }.reversed())
        }
        let result = stack.removeLast()
        closeAll()
        return result
    }
}
