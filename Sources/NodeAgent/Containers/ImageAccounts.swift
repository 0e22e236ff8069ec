import Glibc

/// The users and groups that an image brings along.
struct ImageAccounts: Sendable, Equatable {
    struct Account: Sendable, Equatable {
        var name: String
        var uid: UInt32
        var gid: UInt32
        var home: String
    }
    struct Group: Sendable, Equatable {
        var name: String
        var gid: UInt32
        var members: [String]
    }
    var users: [Account] = []
    var groups: [Group] = []

    static let fileLimit = 1 << 20

    /// From the text of the two files; what can't be read as an entry is skipped.
    init(passwd: [UInt8], group: [UInt8]) {
        for line in passwd.split(separator: UInt8(ascii: "\n")) {
            let fields = String(decoding: line, as: UTF8.self).split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 4, let uid = UInt32(fields[2]), let gid = UInt32(fields[3]) else { continue }
            users.append(
                Account(name: String(fields[0]), uid: uid, gid: gid, home: fields.count > 5 ? String(fields[5]) : ""))
        }
        for line in group.split(separator: UInt8(ascii: "\n")) {
            let fields = String(decoding: line, as: UTF8.self).split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 4, let gid = UInt32(fields[2]) else { continue }
            groups.append(
                Group(name: String(fields[0]), gid: gid, members: fields[3].split(separator: ",").map(String.init)))
        }
    }

    /// From the layers of an image (lowest first), as overlayfs would show them.
    init(layers: [String]) {
        self.init(
            passwd: Self.topmost("passwd", in: layers) ?? [], group: Self.topmost("group", in: layers) ?? [])
    }

    /// `/etc/NAME` of the topmost layer that has it. Links are not followed: they could lead out of the layer.
    private static func topmost(_ name: String, in layers: [String]) -> [UInt8]? {
        for layer in layers.reversed() {
            let root = open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard root >= 0 else { continue }
            defer { close(root) }
            let etc = openat(root, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard etc >= 0 else { continue }
            defer { close(etc) }
            var info = stat()
            guard fstatat(etc, name, &info, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            // Not a file: a whiteout (character device 0/0), or nothing that we read.
            guard info.st_mode & S_IFMT == S_IFREG else { return nil }
            let file = openat(etc, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard file >= 0 else { return nil }
            defer { close(file) }
            // One that is too large is as if it were not there.
            return try? HostFiles.read(descriptor: file, path: "/etc/\(name)", limit: fileLimit)
        }
        return nil
    }
}
