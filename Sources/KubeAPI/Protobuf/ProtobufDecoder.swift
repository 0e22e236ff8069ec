/// Decodes `application/vnd.kubernetes.protobuf` bodies into JSON trees by the schemas' field numbers.
///
/// A body is `k8s\0` and a runtime.Unknown whose `raw` is the kind's message
/// (https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding).
public enum ProtobufDecoder {
    /// Messages nest at most so deep; Kubernetes' own types need about 15.
    static let maxDepth = 64

    /// - Throws: `StatusError` 400 for a body that is not such a message, or of a kind that is not known.
    public static func decode(_ bytes: [UInt8], scheme: Scheme) throws(StatusError) -> JSON {
        let magic: [UInt8] = [0x6b, 0x38, 0x73, 0x00]
        guard bytes.starts(with: magic) else {
            throw .badRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
        }
        let result: Result<JSON, Malformed> = bytes.withUnsafeBytes { buffer in
            do throws(Malformed) {
                return .success(try document(buffer[4...], scheme))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let object): return object
        case .failure(let error): throw .badRequest("cannot decode the protobuf body: \(error.what)")
        }
    }

    private static func document(_ body: UnsafeRawBufferPointer.SubSequence, _ scheme: Scheme) throws(Malformed) -> JSON
    {
        var envelope = Reader(body)
        var apiVersion = ""
        var kind = ""
        var raw = Reader(body.prefix(0))
        while let (number, wire) = try envelope.nextTag() {
            switch (number, wire) {
            case (1, 2):
                var meta = try envelope.message()
                while let (number, wire) = try meta.nextTag() {
                    switch (number, wire) {
                    case (1, 2): apiVersion = try meta.string()
                    case (2, 2): kind = try meta.string()
                    default: try meta.skip(wire)
                    }
                }
            case (2, 2): raw = try envelope.message()
            default: try envelope.skip(wire)
            }
        }
        guard let schema = scheme.schema(apiVersion: apiVersion, kind: kind) else {
            throw Malformed("no kind \"\(kind)\" is registered for version \"\(apiVersion)\"")
        }
        var object = JSONObject()
        try message(&raw, schema, depth: 0, into: &object)
        object["apiVersion"] = .string(apiVersion)
        object["kind"] = .string(kind)
        return .object(object)
    }

    package struct Malformed: Error {
        package let what: String
        package init(_ what: String) { self.what = what }
    }

    /// Reads fields into an object. A field that comes again is merged, as the wire format has it.
    private static func message(
        _ reader: inout Reader, _ schema: Schema, depth: Int, into object: inout JSONObject
    ) throws(Malformed) {
        guard depth < maxDepth else { throw Malformed("messages nest deeper than \(maxDepth)") }
        let contents = schema.contents
        while let (number, wire) = try reader.nextTag() {
            if wire == 2, let inner = contents.inlined[number] {
                var nested = try reader.message()
                try message(&nested, inner, depth: depth + 1, into: &object)
                continue
            }
            guard let field = contents.byNumber[number] else {
                try reader.skip(wire)
                continue
            }
            switch field.shape {
            case .single where field.schema != nil && wire == 2:
                guard let inner = field.schema else { continue }
                var nested = try reader.message()
                var value = object[field.name]?.object ?? JSONObject()
                object[field.name] = JSON.null  // gives up the reference, so that members change in place
                try message(&nested, inner, depth: depth + 1, into: &value)
                object[field.name] = .object(value)
            case .single:
                let value = try single(&reader, wire, field, schema, depth: depth)
                if field.leavesOut(value) {
                    object.removeValue(field.name)
                } else {
                    object[field.name] = value
                }
            case .list:
                var elements = object[field.name]?.items ?? []
                object[field.name] = JSON.null
                if wire == 2, field.form.isVarint {
                    var packed = try reader.message()
                    while !packed.isAtEnd { elements.append(try single(&packed, 0, field, schema, depth: depth)) }
                } else {
                    elements.append(try single(&reader, wire, field, schema, depth: depth))
                }
                object[field.name] = .array(elements)
            case .map, .mapOfLists:
                guard wire == 2 else { throw Malformed("map \(field.name) has wire type \(wire)") }
                var entry = try reader.message()
                var key = ""
                var value = field.shape == .mapOfLists ? JSON.array([]) : field.form.zero
                while let (number, wire) = try entry.nextTag() {
                    switch (number, wire) {
                    case (1, 2): key = try entry.string()
                    case (2, _) where field.shape == .mapOfLists && wire == 2:
                        var list = try entry.message()
                        var elements: [JSON] = []
                        while let (number, wire) = try list.nextTag() {
                            if number == 1, wire == 2 {
                                elements.append(.string(try list.string()))
                            } else {
                                try list.skip(wire)
                            }
                        }
                        value = .array(elements)
                    case (2, _) where field.shape == .mapOfLists: try entry.skip(wire)
                    case (2, _): value = try single(&entry, wire, field, schema, depth: depth)
                    default: try entry.skip(wire)
                    }
                }
                var entries = object[field.name]?.object ?? JSONObject()
                object[field.name] = JSON.null
                entries[key] = value
                object[field.name] = .object(entries)
            }
        }
    }

    private static func single(
        _ reader: inout Reader, _ wire: Int, _ field: Schema.Field, _ schema: Schema, depth: Int
    ) throws(Malformed) -> JSON {
        switch (field.form, wire) {
        case (.bool, 0): return .bool(try reader.varint() != 0)
        case (.int32, 0): return .int(Int64(Int32(truncatingIfNeeded: try reader.varint())))
        case (.int64, 0): return .int(Int64(bitPattern: try reader.varint()))
        case (.float64, 1): return .double(Double(bitPattern: try reader.fixed64()))
        case (.string, 2), (.enumeration, 2): return .string(try reader.string())
        case (.bytes, 2): return .string(Base64.encode(try reader.bytes()))
        case (.time, 2), (.microTime, 2):
            var nested = try reader.message()
            // Nothing at all is Go's zero time, which JSON has as null; the start of 1970 has its zeros written.
            if nested.isAtEnd { return .null }
            var seconds: Int64 = 0
            var nanos: Int64 = 0
            while let (number, wire) = try nested.nextTag() {
                switch (number, wire) {
                case (1, 0): seconds = Int64(bitPattern: try nested.varint())
                case (2, 0): nanos = Int64(Int32(truncatingIfNeeded: try nested.varint()))
                default: try nested.skip(wire)
                }
            }
            // As Go does, nanoseconds are taken for more or less than a second too.
            var (whole, rest) = nanos.quotientAndRemainder(dividingBy: 1_000_000_000)
            if rest < 0 { (whole, rest) = (whole - 1, rest + 1_000_000_000) }
            let (sum, isOver) = seconds.addingReportingOverflow(whole)
            guard !isOver else { return .null }
            // A year without four digits has no JSON form.
            let time = WrittenTime(seconds: sum, nanos: rest)
            return JSON(time.isZero ? nil : time.text(fractionDigits: field.form == .time ? 0 : 6))
        case (.quantity, 2):
            var nested = try reader.message()
            var text = ""
            while let (number, wire) = try nested.nextTag() {
                if number == 1, wire == 2 { text = try nested.string() } else { try nested.skip(wire) }
            }
            // Of Go's quantity without a value the text is that of zero.
            guard !text.isEmpty else { return "0" }
            guard Quantity(text) != nil else { throw Malformed("\(field.name): \(Quantity.formatError)") }
            return .string(text)
        case (.duration, 2):
            var nested = try reader.message()
            var nanos: Int64 = 0
            while let (number, wire) = try nested.nextTag() {
                if number == 1, wire == 0 {
                    nanos = Int64(bitPattern: try nested.varint())
                } else {
                    try nested.skip(wire)
                }
            }
            return .string(Duration.nanoseconds(nanos).goDescription)
        case (.intOrString, 2):
            var nested = try reader.message()
            var isString = false
            var number32: Int64 = 0
            var text = ""
            while let (number, wire) = try nested.nextTag() {
                switch (number, wire) {
                case (1, 0): isString = try nested.varint() != 0
                case (2, 0): number32 = Int64(Int32(truncatingIfNeeded: try nested.varint()))
                case (3, 2): text = try nested.string()
                default: try nested.skip(wire)
                }
            }
            return isString ? .string(text) : .int(number32)
        case (.raw, 2):
            var nested = try reader.message()
            var value = JSON.null
            while let (number, wire) = try nested.nextTag() {
                guard number == 1, wire == 2 else {
                    try nested.skip(wire)
                    continue
                }
                let text = try nested.bytes()
                do { value = text.isEmpty ? .null : try JSON.parse(text) } catch {
                    throw Malformed("\(field.name) holds no JSON: \(error)")
                }
            }
            return value
        case (.object(let inner), 2):
            var nested = try reader.message()
            var value = JSONObject()
            try message(&nested, inner, depth: depth + 1, into: &value)
            return .object(value)
        default:
            throw Malformed("field \(schema.goName).\(field.name) has wire type \(wire)")
        }
    }
}

extension Schema.Form {
    fileprivate var isVarint: Bool {
        switch self {
        case .bool, .int32, .int64: true
        default: false
        }
    }
}
