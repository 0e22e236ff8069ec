import KubeAPI

// The messages of etcd's API that we use, by the field numbers of its rpc.proto and kv.proto
// (https://etcd.io/docs/v3.5/dev-guide/api_reference_v3/).

typealias ProtobufReader = ProtobufDecoder.Reader
typealias MalformedProtobuf = ProtobufDecoder.Malformed

/// Keys from `key` to before `end`; the one key where `end` is empty.
struct EtcdRange: Sendable {
    var key: [UInt8]
    var end: [UInt8] = []

    init(key: String) { self.key = Array(key.utf8) }

    /// All keys that begin so.
    init(prefix: String) {
        key = Array(prefix.utf8)
        end = key
        while let last = end.popLast() {
            if last < 0xff {
                end.append(last + 1)
                break
            }
        }
        if end.isEmpty { end = [0] }
    }

    /// All keys with the prefix that come after `key`.
    init(prefix: String, after key: String) {
        self.init(prefix: prefix)
        self.key = Array(key.utf8) + [0]
    }

    static let everything = EtcdRange(from: [0], to: [0])

    private init(from key: [UInt8], to end: [UInt8]) {
        self.key = key
        self.end = end
    }
}

/// `ResponseHeader`
struct EtcdHeader: Sendable, Equatable {
    var cluster: UInt64 = 0
    var member: UInt64 = 0
    var revision: Int64 = 0

    init() {}

    init(_ reader: inout ProtobufReader) throws(MalformedProtobuf) {
        while let (number, wire) = try reader.nextTag() {
            switch (number, wire) {
            case (1, 0): cluster = try reader.varint()
            case (2, 0): member = try reader.varint()
            case (3, 0): revision = Int64(bitPattern: try reader.varint())
            default: try reader.skip(wire)
            }
        }
    }
}

/// `KeyValue`
struct EtcdKeyValue: Sendable, Equatable {
    var key = ""
    var createRevision: Int64 = 0
    var revision: Int64 = 0
    var version: Int64 = 0
    var value: [UInt8] = []
    var lease: Int64 = 0

    init() {}

    init(_ reader: inout ProtobufReader) throws(MalformedProtobuf) {
        while let (number, wire) = try reader.nextTag() {
            switch (number, wire) {
            case (1, 2): key = String(decoding: try reader.bytes(), as: UTF8.self)
            case (2, 0): createRevision = Int64(bitPattern: try reader.varint())
            case (3, 0): revision = Int64(bitPattern: try reader.varint())
            case (4, 0): version = Int64(bitPattern: try reader.varint())
            case (5, 2): value = try reader.bytes()
            case (6, 0): lease = Int64(bitPattern: try reader.varint())
            default: try reader.skip(wire)
            }
        }
    }
}

/// `RangeRequest`
struct EtcdRangeRequest: Sendable {
    var range: EtcdRange
    var limit: Int64 = 0
    /// 0 for the newest.
    var revision: Int64 = 0
    var keysOnly = false
    var countOnly = false

    init(_ range: EtcdRange) { self.range = range }

    func write(to writer: inout ProtobufWriter) {
        writer.bytes(1, range.key)
        writer.bytes(2, range.end)
        writer.int(3, limit)
        writer.int(4, revision)
        writer.bool(8, keysOnly)
        writer.bool(9, countOnly)
    }
}

/// `RangeResponse`
struct EtcdRangeResponse: Sendable {
    var header = EtcdHeader()
    var values: [EtcdKeyValue] = []
    var hasMore = false

    init() {}

    init(_ reader: inout ProtobufReader) throws(MalformedProtobuf) {
        while let (number, wire) = try reader.nextTag() {
            switch (number, wire) {
            case (1, 2):
                var nested = try reader.message()
                header = try EtcdHeader(&nested)
            case (2, 2):
                var nested = try reader.message()
                values.append(try EtcdKeyValue(&nested))
            case (3, 0): hasMore = try reader.varint() != 0
            default: try reader.skip(wire)
            }
        }
    }
}

/// What a transaction does where its condition holds. Where it does not, it reads the key.
enum EtcdAction: Sendable {
    case put([UInt8], lease: Int64)
    case delete
}

/// `TxnRequest` of one key with one condition.
struct EtcdTransaction: Sendable {
    enum Condition: Sendable {
        /// Of its newest change; 0 where it must not exist.
        case revision(Int64)
        /// How often it was written since it was made; 0 where it must not exist.
        case version(Int64)
    }

    var key: String
    var condition: Condition
    var action: EtcdAction

    func write(to writer: inout ProtobufWriter) {
        let key = Array(key.utf8)
        writer.message(1) { compare in
            // The result, EQUAL, is 0.
            switch condition {
            case .version(let version):
                compare.bytes(3, key)
                compare.choice(4, version)
            case .revision(let revision):
                compare.int(2, 2)
                compare.bytes(3, key)
                compare.choice(6, revision)
            }
        }
        writer.message(2) { operation in
            switch action {
            case .put(let value, let lease):
                operation.message(2) { put in
                    put.bytes(1, key)
                    put.bytes(2, value)
                    put.int(3, lease)
                }
            case .delete: operation.message(3) { $0.bytes(1, key) }
            }
        }
        writer.message(3) { operation in
            operation.message(1) { EtcdRangeRequest(EtcdRange(key: self.key)).write(to: &$0) }
        }
    }
}

/// `TxnResponse` of such a transaction.
struct EtcdTransactionResponse: Sendable {
    var header = EtcdHeader()
    var hasSucceeded = false
    /// The key as it is, where the condition did not hold.
    var current: EtcdKeyValue?

    init() {}

    init(_ reader: inout ProtobufReader) throws(MalformedProtobuf) {
        while let (number, wire) = try reader.nextTag() {
            switch (number, wire) {
            case (1, 2):
                var nested = try reader.message()
                header = try EtcdHeader(&nested)
            case (2, 0): hasSucceeded = try reader.varint() != 0
            case (3, 2):
                var operation = try reader.message()
                while let (number, wire) = try operation.nextTag() {
                    guard number == 1, wire == 2 else {
                        try operation.skip(wire)
                        continue
                    }
                    var nested = try operation.message()
                    current = try EtcdRangeResponse(&nested).values.first
                }
            default: try reader.skip(wire)
            }
        }
    }
}

/// `LeaseGrantResponse`
struct EtcdLease: Sendable {
    var id: Int64 = 0
    var seconds: Int64 = 0

    init() {}

    init(_ reader: inout ProtobufReader) throws(MalformedProtobuf) {
        while let (number, wire) = try reader.nextTag() {
            switch (number, wire) {
            case (2, 0): id = Int64(bitPattern: try reader.varint())
            case (3, 0): seconds = Int64(bitPattern: try reader.varint())
            default: try reader.skip(wire)
            }
        }
    }
}

/// `StatusResponse` of a member.
struct EtcdStatus: Sendable {
    var header = EtcdHeader()
    var version = ""
    /// 0 where there is none.
    var leader: UInt64 = 0
    /// Such as `NOSPACE`.
    var errors: [String] = []

    init() {}

    init(_ reader: inout ProtobufReader) throws(MalformedProtobuf) {
        while let (number, wire) = try reader.nextTag() {
            switch (number, wire) {
            case (1, 2):
                var nested = try reader.message()
                header = try EtcdHeader(&nested)
            case (2, 2): version = try reader.string()
            case (4, 0): leader = try reader.varint()
            case (8, 2): errors.append(try reader.string())
            default: try reader.skip(wire)
            }
        }
    }
}
