import KubeAPI
import Kernel

/// The messages between daemon and supervisor, as Sources/PodInit/protocol.h has them.
enum SupervisorProtocol {
    static let magic: UInt32 = 0x4950_5753
    /// The majors that this daemon speaks: every one that was ever released.
    static let majors: ClosedRange<UInt16> = 1...1
    static let packetLimit = 4096
    static let idLength = 64

    enum MessageType: UInt16 {
        case hello = 1
        case list, container, start, started, failed, signal, forget, terminate, exited, done, unknown, exec
        case attach, attached, resize
    }

    struct Hello: Equatable {
        let major: UInt16
        let minor: UInt16
        let pid: Int32
        let podUID: String
    }

    /// What is attached to, and what there is to attach to.
    struct AttachFlags: OptionSet, Equatable, Sendable {
        let rawValue: UInt32
        static let input = AttachFlags(rawValue: 1)
        static let output = AttachFlags(rawValue: 2)
        static let errors = AttachFlags(rawValue: 4)
        static let terminal = AttachFlags(rawValue: 8)
    }

    enum ContainerState: UInt32 {
        case starting = 1
        case running, exited
    }

    struct ContainerReport: Equatable, Sendable {
        let id: String
        let state: ContainerState
        let pid: Int32
        let startedNanos: Int64
        let finishedNanos: Int64
        let exitCode: Int32
        let signal: Int32
        let oomKilled: Bool
    }

    struct FailureReport: Equatable, Sendable {
        let stage: UInt32
        let code: Int32
        let subject: String
    }

    enum Body: Equatable {
        case hello(Hello)
        case container(ContainerReport)
        case failure(FailureReport)
        case attached(AttachFlags)
        case empty
    }

    struct Message: Equatable {
        let type: MessageType
        let request: UInt32
        let body: Body
    }

    /// A message to the supervisor.
    static func encode(_ type: MessageType, request: UInt32, body: [UInt8] = []) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(12 + body.count)
        append(UInt32(12 + body.count), to: &bytes)
        append(type.rawValue, to: &bytes)
        append(UInt16(0), to: &bytes)
        append(request, to: &bytes)
        return bytes + body
    }

    static func signalBody(id: String, signal: Int32) -> [UInt8] {
        var bytes = Array(id.utf8)
        append(signal, to: &bytes)
        return bytes
    }

    static func attachBody(id: String, _ flags: AttachFlags) -> [UInt8] {
        var bytes = Array(id.utf8)
        append(flags.rawValue, to: &bytes)
        append(UInt32(0), to: &bytes)
        return bytes
    }

    static func resizeBody(id: String, rows: UInt16, columns: UInt16) -> [UInt8] {
        var bytes = Array(id.utf8)
        append(rows, to: &bytes)
        append(columns, to: &bytes)
        append(UInt32(0), to: &bytes)
        return bytes
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    /// The messages of a packet. One of a type that is not known here is skipped; what makes no sense ends the list.
    static func decode(_ packet: [UInt8]) -> [Message] {
        var messages: [Message] = []
        var rest = packet[...]
        while rest.count >= 12 {
            let length = Int(NetlinkReader.number(rest, at: 0, as: UInt32.self))
            guard length >= 12, length <= rest.count else { break }
            let body = rest.dropFirst(12).prefix(length - 12)
            if let type = MessageType(rawValue: NetlinkReader.number(rest, at: 4)),
                let decoded = decode(type, body)
            {
                messages.append(Message(type: type, request: NetlinkReader.number(rest, at: 8), body: decoded))
            }
            rest = rest.dropFirst(length)
        }
        return messages
    }

    private static func decode(_ type: MessageType, _ body: ArraySlice<UInt8>) -> Body? {
        switch type {
        case .hello:
            guard body.count >= 12, NetlinkReader.number(body, at: 0, as: UInt32.self) == magic else { return nil }
            return .hello(
                Hello(
                    major: NetlinkReader.number(body, at: 4), minor: NetlinkReader.number(body, at: 6),
                    pid: NetlinkReader.number(body, at: 8), podUID: String(decoding: body.dropFirst(12), as: UTF8.self))
            )
        case .container, .started, .exited:
            guard body.count >= idLength + 40,
                let state = ContainerState(rawValue: NetlinkReader.number(body, at: idLength))
            else { return nil }
            return .container(
                ContainerReport(
                    id: String(decoding: body.prefix(idLength), as: UTF8.self), state: state,
                    pid: NetlinkReader.number(body, at: 68), startedNanos: NetlinkReader.number(body, at: 72),
                    finishedNanos: NetlinkReader.number(body, at: 80), exitCode: NetlinkReader.number(body, at: 88),
                    signal: NetlinkReader.number(body, at: 92),
                    oomKilled: NetlinkReader.number(body, at: 96, as: UInt32.self) != 0))
        case .failed:
            guard body.count >= 16 else { return nil }
            return .failure(
                FailureReport(
                    stage: NetlinkReader.number(body, at: 0), code: NetlinkReader.number(body, at: 4),
                    subject: NetlinkReader.text(body.dropFirst(16))))
        case .done, .unknown: return .empty
        case .attached:
            guard body.count >= 4 else { return nil }
            return .attached(AttachFlags(rawValue: NetlinkReader.number(body, at: 0)))
        case .list, .start, .signal, .forget, .terminate, .exec, .attach, .resize: return nil
        }
    }

    /// The record that a supervisor leaves on disk of each end, for when nobody can ask it any more.
    static func exitRecord(_ line: String) -> ContainerReport? {
        let fields = line.split { $0 == " " || $0 == "\n" }
        guard fields.count >= 7, fields[0] == "swiftlet-exit", fields[1] == "1", let code = Int32(fields[2]),
            let signal = Int32(fields[3]), let oom = Int32(fields[4]), let started = Int64(fields[5]),
            let finished = Int64(fields[6])
        else { return nil }
        return ContainerReport(
            id: "", state: .exited, pid: 0, startedNanos: started, finishedNanos: finished, exitCode: code,
            signal: signal, oomKilled: oom != 0)
    }
}
