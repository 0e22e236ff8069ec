@testable import Kernel

/// Runs classic BPF programs as the kernel does for seccomp: on the number, the architecture and the arguments of a call.
struct FilterMachine {
    struct Call {
        var number: UInt32
        var architecture: UInt32
        var arguments: [UInt64] = []

        /// struct seccomp_data.
        fileprivate var bytes: [UInt8] {
            var bytes: [UInt8] = []
            func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value) { bytes += $0 } }
            append(number)
            append(architecture)
            append(UInt64(0))
            for index in 0..<6 { append(index < arguments.count ? arguments[index] : 0) }
            return bytes
        }
    }
    enum Answer: Equatable {
        case allow, kill
        case errno(Int32)
        case other(UInt32)
        /// The kernel would have refused to load it.
        case invalid(String)
    }

    private struct Instruction {
        let code: UInt16
        let jumpTrue: UInt8
        let jumpFalse: UInt8
        let value: UInt32
    }
    private let program: [Instruction]

    init(_ filter: SeccompFilter) {
        program = stride(from: 0, to: filter.bytes.count, by: 8).map { at in
            filter.bytes[at..<at + 8].withUnsafeBytes { bytes in
                Instruction(
                    code: bytes.loadUnaligned(fromByteOffset: 0, as: UInt16.self), jumpTrue: bytes[2],
                    jumpFalse: bytes[3],
                    value: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            }
        }
    }

    func run(_ call: Call) -> Answer {
        let data = call.bytes
        var accumulator: UInt32 = 0
        var at = 0
        while program.indices.contains(at) {
            let line = program[at]
            at += 1
            func jump(_ condition: Bool) { at += Int(condition ? line.jumpTrue : line.jumpFalse) }
            switch line.code {
            case 0x20:
                guard line.value % 4 == 0, Int(line.value) + 4 <= data.count else {
                    return .invalid("load at \(line.value)")
                }
                accumulator = data.withUnsafeBytes {
                    $0.loadUnaligned(fromByteOffset: Int(line.value), as: UInt32.self)
                }
            case 0x54: accumulator &= line.value
            case 0x05: at += Int(line.value)
            case 0x15: jump(accumulator == line.value)
            case 0x25: jump(accumulator > line.value)
            case 0x35: jump(accumulator >= line.value)
            case 0x45: jump(accumulator & line.value != 0)
            case 0x06:
                switch line.value & 0xffff_0000 {
                case 0x7fff_0000: return .allow
                case 0x0005_0000: return .errno(Int32(line.value & 0xffff))
                case 0, 0x8000_0000: return .kill
                default: return .other(line.value)
                }
            default: return .invalid("instruction \(line.code)")
            }
        }
        return .invalid("runs past its end")
    }
}
