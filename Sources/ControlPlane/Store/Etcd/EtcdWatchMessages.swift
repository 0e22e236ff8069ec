import KubeAPI

/// `WatchRequest` that makes a watch, or asks how far it is.
enum EtcdWatchRequest: Sendable {
    /// With the changes from `revision` on.
    case create(EtcdRange, from: Int64, withPrevious: Bool)
    case progress

    var bytes: [UInt8] {
        var writer = ProtobufWriter()
        switch self {
        case .create(let range, let revision, let withPrevious):
            writer.message(1) { create in
                create.bytes(1, range.key)
                create.bytes(2, range.end)
                create.int(3, revision)
                // Now and then it says how far it is, where nothing happens.
                create.bool(4, true)
                create.bool(6, withPrevious)
                // Answers larger than a message may be come in pieces.
                create.bool(8, true)
            }
        case .progress: writer.message(3) { _ in }
        }
        return writer.bytes
    }
}

/// `Event`
struct EtcdEvent: Sendable {
    var isDelete = false
    var current = EtcdKeyValue()
    var previous: EtcdKeyValue?

    init() {}

    init(_ reader: inout ProtobufReader) throws(MalformedProtobuf) {
        while let (number, wire) = try reader.nextTag() {
            switch (number, wire) {
            case (1, 0): isDelete = try reader.varint() == 1
            case (2, 2):
                var nested = try reader.message()
                current = try EtcdKeyValue(&nested)
            case (3, 2):
                var nested = try reader.message()
                previous = try EtcdKeyValue(&nested)
            default: try reader.skip(wire)
            }
        }
    }
}

/// `WatchResponse`
struct EtcdWatchResponse: Sendable {
    var header = EtcdHeader()
    var isCreated = false
    var isCanceled = false
    /// Not 0: what was asked for begins before this revision, and is gone.
    var compactRevision: Int64 = 0
    var reason = ""
    /// More of the same follows.
    var isFragment = false
    var events: [EtcdEvent] = []

    /// Everything up to the header's revision has been told.
    var isProgress: Bool { !isCreated && !isCanceled && events.isEmpty && !isFragment }

    init() {}

    init(_ reader: inout ProtobufReader) throws(MalformedProtobuf) {
        while let (number, wire) = try reader.nextTag() {
            switch (number, wire) {
            case (1, 2):
                var nested = try reader.message()
                header = try EtcdHeader(&nested)
            case (3, 0): isCreated = try reader.varint() != 0
            case (4, 0): isCanceled = try reader.varint() != 0
            case (5, 0): compactRevision = Int64(bitPattern: try reader.varint())
            case (6, 2): reason = try reader.string()
            case (7, 0): isFragment = try reader.varint() != 0
            case (11, 2):
                var nested = try reader.message()
                events.append(try EtcdEvent(&nested))
            default: try reader.skip(wire)
            }
        }
    }
}
