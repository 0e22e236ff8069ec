@testable import KubeAPI

/// Writes objects as Kubernetes' protobuf does, by the schemas' field numbers: the decoder's counterpart.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []
    /// Lists of numbers in one field instead of one field each.
    var packs = false

    /// A whole body: the magic, then a runtime.Unknown.
    static func body(apiVersion: String, kind: String, raw: [UInt8]) -> [UInt8] {
        var type = ProtobufWriter()
        type.field(1, Array(apiVersion.utf8))
        type.field(2, Array(kind.utf8))
        var envelope = ProtobufWriter()
        envelope.field(1, type.bytes)
        envelope.field(2, raw)
        envelope.field(3, [])
        envelope.field(4, [])
        return Array("k8s\0".utf8) + envelope.bytes
    }

    static func body(_ object: JSON, _ schema: Schema, packs: Bool = false) -> [UInt8] {
        var message = ProtobufWriter()
        message.packs = packs
        message.write(object, schema)
        return body(apiVersion: object.apiVersion, kind: object.kind, raw: message.bytes)
    }

    // MARK: wire

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
    mutating func tag(_ number: Int, _ wire: Int) { varint(UInt64(number << 3 | wire)) }
    mutating func field(_ number: Int, varint value: UInt64) {
        tag(number, 0)
        varint(value)
    }
    mutating func field(_ number: Int, _ contents: [UInt8]) {
        tag(number, 2)
        varint(UInt64(contents.count))
        bytes += contents
    }

    // MARK: values

    mutating func write(_ value: JSON, _ schema: Schema) {
        let contents = schema.contents
        for (number, inner) in contents.inlined.sorted(by: { $0.key < $1.key }) {
            field(number, nested { $0.write(value, inner) })
        }
        for field in contents.fields where field.number > 0 && !value[field.name].isNull {
            write(value[field.name], field)
        }
    }

    private func nested(_ body: (inout ProtobufWriter) -> Void) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.packs = packs
        body(&writer)
        return writer.bytes
    }

    private mutating func write(_ value: JSON, _ field: Schema.Field) {
        switch field.shape {
        case .single: single(field.number, value, field.form)
        case .list:
            guard packs, [.bool, .int32, .int64].contains(field.form) else {
                for element in value.items { single(field.number, element, field.form) }
                return
            }
            self.field(field.number, nested { for element in value.items { $0.varint(Self.bits(element)) } })
        case .map:
            for (key, entry) in value.object ?? JSONObject() {
                self.field(
                    field.number,
                    nested {
                        $0.field(1, Array(key.utf8))
                        $0.single(2, entry, field.form)
                    })
            }
        case .mapOfLists:
            for (key, entry) in value.object ?? JSONObject() {
                self.field(
                    field.number,
                    nested {
                        $0.field(1, Array(key.utf8))
                        $0.field(2, nested { for text in entry.items { $0.field(1, Array(text.stringValue.utf8)) } })
                    })
            }
        }
    }

    private static func bits(_ value: JSON) -> UInt64 {
        if let flag = value.bool { return flag ? 1 : 0 }
        return UInt64(bitPattern: Int64(value.int ?? 0))
    }

    private mutating func single(_ number: Int, _ value: JSON, _ form: Schema.Form) {
        let text = Array(value.stringValue.utf8)
        switch form {
        case .bool, .int32, .int64: field(number, varint: Self.bits(value))
        case .float64:
            tag(number, 1)
            let bits = (value.double ?? 0).bitPattern
            for index in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * index))) }
        case .string, .enumeration: field(number, text)
        case .bytes: field(number, Base64.decode(value.stringValue) ?? [])
        case .time, .microTime:
            // What is no time is written as none.
            let time = try? WrittenTime.read(value.stringValue, form == .time ? .seconds : .micro)
            field(
                number,
                time.map { time in
                    nested {
                        $0.field(1, varint: UInt64(bitPattern: time.seconds))
                        $0.field(2, varint: UInt64(bitPattern: time.nanos))
                    }
                } ?? [])
        case .duration:
            let nanos = Duration(goDuration: value.stringValue)?.nanoseconds ?? 0
            field(number, nested { $0.field(1, varint: UInt64(bitPattern: nanos)) })
        case .quantity: field(number, nested { $0.field(1, text) })
        case .intOrString:
            field(
                number,
                nested {
                    $0.field(1, varint: value.string == nil ? 0 : 1)
                    $0.field(2, varint: UInt64(bitPattern: Int64(value.int ?? 0)))
                    $0.field(3, text)
                })
        case .raw: field(number, nested { $0.field(1, value.serialized()) })
        case .object(let schema): field(number, nested { $0.write(value, schema) })
        }
    }
}
