@testable import NodeAgent

/// Reads plans as Sources/PodInit/plan.c does.
struct PlanReader {
    struct Record: Equatable {
        let type: UInt16
        let flags: UInt16
        let payload: [UInt8]

        var text: String { String(decoding: payload.prefix { $0 != 0 }, as: UTF8.self) }
    }
    struct Mount: Equatable {
        let kind: UInt32
        let flags: UInt32
        let size: UInt64
        let mode: UInt32
        let source: String
        let target: String
    }

    let magic: UInt32
    let major: UInt32
    let records: [Record]

    /// Nil where it is not made as it should be.
    init?(_ bytes: [UInt8]) {
        func number<Value: FixedWidthInteger>(_ at: Int, _: Value.Type) -> Value? {
            guard at >= 0, at + MemoryLayout<Value>.size <= bytes.count else { return nil }
            return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: Value.self) }
        }
        guard let magic = number(0, UInt32.self), let major = number(4, UInt32.self), bytes.count % 8 == 0 else {
            return nil
        }
        self.magic = magic
        self.major = major
        var records: [Record] = []
        var at = 8
        while at < bytes.count {
            guard let type = number(at, UInt16.self), let flags = number(at + 2, UInt16.self),
                let length = number(at + 4, UInt32.self), at + 8 + Int(length) <= bytes.count
            else { return nil }
            records.append(Record(type: type, flags: flags, payload: Array(bytes[(at + 8)..<(at + 8 + Int(length))])))
            at += 8 + (Int(length) + 7) / 8 * 8
        }
        guard at == bytes.count else { return nil }
        self.records = records
    }

    func all(_ type: PlanWriter.Record) -> [Record] { records.filter { $0.type == type.rawValue } }
    func texts(_ type: PlanWriter.Record) -> [String] { all(type).map(\.text) }
    func number(_ type: PlanWriter.Record) -> UInt64? {
        all(type).first.flatMap { record in
            record.payload.count == 8 ? record.payload.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } : nil
        }
    }
    var flags: PlanWriter.Flags { PlanWriter.Flags(rawValue: number(.flags) ?? 0) }

    var mounts: [Mount] {
        all(.mount).compactMap { record in
            let bytes = record.payload
            guard bytes.count > 26, bytes.last == 0 else { return nil }
            let numbers = bytes.withUnsafeBytes { bytes in
                (
                    bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self),
                    bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self),
                    bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                    bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self),
                    Int(bytes.loadUnaligned(fromByteOffset: 20, as: UInt32.self))
                )
            }
            guard numbers.4 > 0, 24 + numbers.4 < bytes.count, bytes[24 + numbers.4 - 1] == 0 else { return nil }
            return Mount(
                kind: numbers.0, flags: numbers.1, size: numbers.2, mode: numbers.3,
                source: String(decoding: bytes[24..<(24 + numbers.4 - 1)], as: UTF8.self),
                target: String(decoding: bytes[(24 + numbers.4)...].dropLast(), as: UTF8.self))
        }
    }

    func mount(at target: String) -> Mount? { mounts.last { $0.target == target } }
}
