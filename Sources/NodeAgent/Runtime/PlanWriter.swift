import Transport

/// Writes the flat plan that a supervisor's child walks (Sources/PodInit/protocol.h). Whatever costs time or may fail on
/// a value has been done here, in the daemon.
struct PlanWriter {
    enum Record: UInt16 {
        case id = 1
        case flags, layer, upper, work, root, mount, argument, environment, directory, user, capabilities, seccomp
        case cgroupTasks, cgroup, oomFile, killFile, mask, readOnly, log, oomScore, device, target
        case pidTarget, window
    }
    struct Flags: OptionSet {
        let rawValue: UInt64
        static let newPID = Flags(rawValue: 1)
        static let newCgroup = Flags(rawValue: 2)
        static let noNewPrivileges = Flags(rawValue: 4)
        static let readOnlyRoot = Flags(rawValue: 8)
        static let detached = Flags(rawValue: 16)
        static let lowerdirAdd = Flags(rawValue: 32)
        static let podPID = Flags(rawValue: 64)
        static let terminal = Flags(rawValue: 128)
        static let input = Flags(rawValue: 256)
        static let inputOnce = Flags(rawValue: 512)
    }
    enum MountKind: UInt32 {
        case bind = 1
        case tmpfs, proc, sysfs, dev, mqueue, cgroup2, podTmpfs
    }
    struct MountFlags: OptionSet {
        let rawValue: UInt32
        static let readOnly = MountFlags(rawValue: 1)
        static let slave = MountFlags(rawValue: 2)
        static let shared = MountFlags(rawValue: 4)
        static let noSetuid = MountFlags(rawValue: 8)
        static let noDevices = MountFlags(rawValue: 16)
        static let noExecute = MountFlags(rawValue: 32)
        static let system = MountFlags(rawValue: 64)
        static let optional = MountFlags(rawValue: 128)
        static let below = MountFlags(rawValue: 256)
        static let freeze = MountFlags(rawValue: 512)
    }

    private static let magic: UInt32 = 0x4e4c_5053
    private static let major: UInt32 = 1
    private(set) var bytes: [UInt8] = []

    init() {
        bytes.reserveCapacity(8 << 10)
        append(Self.magic)
        append(Self.major)
    }

    private mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    /// An older supervisor passes over an optional record that it does not know, and refuses any other.
    private mutating func record(
        _ type: Record, length: Int, isOptional: Bool = false, _ body: (inout PlanWriter) -> Void
    ) {
        append(type.rawValue)
        append(UInt16(isOptional ? 1 : 0))
        append(UInt32(truncatingIfNeeded: length))
        body(&self)
        while bytes.count % 8 != 0 { bytes.append(0) }
    }

    /// A text; callers have refused those with a zero byte inside.
    private mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }

    mutating func text(_ type: Record, _ text: String) {
        record(type, length: text.utf8.count + 1) { $0.append(text) }
    }
    mutating func number(_ type: Record, _ value: UInt64) {
        record(type, length: 8) { $0.append(value) }
    }
    mutating func raw(_ type: Record, _ value: [UInt8]) {
        record(type, length: value.count) { $0.bytes.append(contentsOf: value) }
    }
    mutating func window(_ size: TerminalSize) {
        record(.window, length: 4, isOptional: true) { writer in
            writer.append(size.height)
            writer.append(size.width)
        }
    }
    mutating func user(_ uid: UInt32, _ gid: UInt32, groups: [UInt32]) {
        record(.user, length: 8 + 4 * groups.count) { writer in
            writer.append(uid)
            writer.append(gid)
            for group in groups { writer.append(group) }
        }
    }
    mutating func mount(
        _ kind: MountKind, source: String = "", target: String, _ flags: MountFlags = [], sizeBytes: UInt64 = 0,
        mode: UInt32 = 0
    ) {
        let length = 24 + source.utf8.count + 1 + target.utf8.count + 1
        record(.mount, length: length) { writer in
            writer.append(kind.rawValue)
            writer.append(flags.rawValue)
            writer.append(sizeBytes)
            writer.append(mode)
            writer.append(UInt32(truncatingIfNeeded: source.utf8.count + 1))
            writer.append(source)
            writer.append(target)
        }
    }
    mutating func log(_ path: String, sizeLimit: UInt64, files: UInt32) {
        record(.log, length: 16 + path.utf8.count + 1) { writer in
            writer.append(sizeLimit)
            writer.append(files)
            writer.append(UInt32(0))
            writer.append(path)
        }
    }
    mutating func device(_ path: String, mode: UInt32, major: UInt32, minor: UInt32) {
        record(.device, length: 16 + path.utf8.count + 1) { writer in
            writer.append(mode)
            writer.append(major)
            writer.append(minor)
            writer.append(UInt32(0))
            writer.append(path)
        }
    }
}
