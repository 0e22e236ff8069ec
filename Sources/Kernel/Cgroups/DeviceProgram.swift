import CLinux
import Glibc

/// The BPF program that limits the devices of a v2 cgroup: there is no controller for them. One program serves all.
public final class DeviceProgram: Sendable {
    private let program: FileDescriptor

    private init(_ program: consuming FileDescriptor) { self.program = program }

    /// Nil where the kernel has no such programs.
    static func load() -> DeviceProgram? {
        let bytes = instructions()
        let result = bytes.withUnsafeBytes { swl_bpf_load_device_program($0.baseAddress, bytes.count / 8) }
        return result < 0 ? nil : DeviceProgram(FileDescriptor(owning: result))
    }

    func attach(to folder: String) throws(KernelError) {
        let directory = try FileDescriptor.open(folder, O_RDONLY | O_DIRECTORY)
        let result = swl_bpf_attach_device_program(directory.raw, program.raw)
        guard result >= 0 else { throw KernelError("limit devices of", folder, code: -result) }
    }

    /// The same set as v1's: all may be made by mknod, the usual character devices may be opened. Jumps are worked out
    /// from labels.
    static func instructions() -> [UInt8] {
        enum Jump { case none, allow, deny }
        var lines: [(opcode: UInt8, destination: UInt8, source: UInt8, offset: Int16, value: Int32, jump: Jump)] = []
        func line(
            _ opcode: UInt8, _ destination: UInt8 = 0, _ source: UInt8 = 0, offset: Int16 = 0, value: Int32 = 0,
            jump: Jump = .none
        ) { lines.append((opcode, destination, source, offset, value, jump)) }
        line(0x61, 2, 1)
        line(0x61, 4, 1, offset: 4)
        line(0x61, 5, 1, offset: 8)
        line(0xbf, 3, 2)
        line(0x77, 3, value: 16)
        line(0x57, 2, value: 0xffff)
        line(0x15, 3, value: 1, jump: .allow)
        line(0x55, 2, value: 2, jump: .deny)
        let groups: [(major: Int32, minors: [Int32])] = [(1, [3, 5, 7, 8, 9]), (5, [0, 1, 2])]
        for group in groups {
            line(0x55, 4, offset: Int16(group.minors.count + 1), value: group.major)
            for minor in group.minors { line(0x15, 5, value: minor, jump: .allow) }
            line(0x05, jump: .deny)
        }
        // Unix98 terminals: majors 136 to 143.
        line(0xa5, 4, value: 136, jump: .deny)
        line(0xb5, 4, value: 143, jump: .allow)
        let deny = lines.count
        line(0xb7, 0, value: 0)
        line(0x95)
        let allow = lines.count
        line(0xb7, 0, value: 1)
        line(0x95)
        var code: [UInt8] = []
        for (index, line) in lines.enumerated() {
            let offset =
                switch line.jump {
                case .none: line.offset
                case .allow: Int16(allow - index - 1)
                case .deny: Int16(deny - index - 1)
                }
            code += [line.opcode, line.source << 4 | line.destination]
            withUnsafeBytes(of: offset) { code += $0 }
            withUnsafeBytes(of: line.value) { code += $0 }
        }
        return code
    }
}
