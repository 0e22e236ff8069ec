/// JSON Patch (RFC 6902), with the answers of kube-apiserver: a document that is no patch is a 400, one whose operations
/// cannot be carried out (a failed `test` included) a 422.
public enum JSONPatch {
    /// As in kube-apiserver; a longer patch is a 413.
    public static let maxOperations = 10_000
    /// What all `copy` operations of a patch may add up to, as in kube-apiserver: else a short patch could double a
    /// document again and again.
    static let maxCopiedBytes = 3 * 1024 * 1024

    /// The document after all operations, in order; none of them counts where one fails.
    public static func apply(_ patch: JSON, to document: JSON) throws(StatusError) -> JSON {
        guard case .array(let operations) = patch else {
            throw .badRequest("json: cannot unmarshal \(typeName(patch)) into Go value of type jsonpatch.Patch")
        }
        for operation in operations where !operation.isObject {
            throw .badRequest(
                "json: cannot unmarshal \(typeName(operation)) into Go value of type jsonpatch.Operation")
        }
        guard operations.count <= maxOperations else {
            throw .tooLarge(
                "Request entity is too large: The allowed maximum operations in a JSON patch is \(maxOperations), "
                    + "got \(operations.count)")
        }
        var result = document
        var copiedBytes = 0
        do throws(Failure) {
            for operation in operations { try apply(operation, to: &result, &copiedBytes) }
        } catch {
            throw StatusError(
                code: 422, reason: "Invalid",
                message: "the server rejected our request due to an error in our request", details: .emptyObject)
        }
        return result
    }

    /// Why an operation failed. Kubernetes does not tell its clients.
    private struct Failure: Error {}

    private static func typeName(_ json: JSON) -> String {
        switch json {
        case .null: "null"
        case .bool: "bool"
        case .int, .double: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    private static func apply(_ operation: JSON, to document: inout JSON, _ copiedBytes: inout Int) throws(Failure) {
        guard let path = operation["path"].string else { throw Failure() }
        let target = try JSONPointer.tokens(path)
        switch operation["op"].stringValue {
        case "add": try add(try value(of: operation), at: target, in: &document)
        case "remove": _ = try remove(at: target, in: &document)
        case "replace":
            let value = try value(of: operation)
            _ = try get(target, in: document)
            if target.isEmpty {
                document = value
            } else {
                try checkDepth(value, at: target)
                try change(&document, target[...]) { container, token throws(Failure) in
                    try replace(value, token, in: &container)
                }
            }
        case "move":
            let source = try from(operation)
            // A value cannot move into itself (RFC 6902, 4.4).
            guard !(target.count > source.count && target.starts(with: source)) else { throw Failure() }
            let value = try source.isEmpty ? document : remove(at: source, in: &document)
            try add(value, at: target, in: &document)
        case "copy":
            let value = try get(try from(operation), in: document)
            copiedBytes += value.serialized().count
            guard copiedBytes <= maxCopiedBytes else { throw Failure() }
            try add(value, at: target, in: &document)
        case "test":
            let expected = try value(of: operation)
            // Kubernetes' library lets a missing member pass where null is expected.
            if expected.isNull, !target.isEmpty {
                let parent = try get(Array(target.dropLast()), in: document)
                if let object = parent.object, let last = target.last, object[last] == nil { return }
            }
            guard try get(target, in: document) == expected else { throw Failure() }
        default: throw Failure()
        }
    }

    private static func value(of operation: JSON) throws(Failure) -> JSON {
        guard let value = operation.object?["value"] else { throw Failure() }
        return value
    }

    private static func from(_ operation: JSON) throws(Failure) -> [String] {
        guard let text = operation["from"].string else { throw Failure() }
        return try JSONPointer.tokens(text)
    }

    // MARK: Operations

    private static func get(_ path: [String], in document: JSON) throws(Failure) -> JSON {
        var value = document
        for token in path {
            switch value {
            case .object(let object):
                guard let member = object[token] else { throw Failure() }
                value = member
            case .array(let array): value = array[try JSONPointer.index(token, count: array.count)]
            default: throw Failure()
            }
        }
        return value
    }

    /// A value must not make the document deeper than what the parser accepts: all our code recurses over it.
    private static func checkDepth(_ value: JSON, at path: [String]) throws(Failure) {
        guard path.count + value.depth <= JSONParser.maxDepth else { throw Failure() }
    }

    private static func add(_ value: JSON, at path: [String], in document: inout JSON) throws(Failure) {
        try checkDepth(value, at: path)
        guard !path.isEmpty else {
            document = value
            return
        }
        try change(&document, path[...]) { container, token throws(Failure) in
            switch container {
            case .object(var object):
                container = .null
                object[token] = value
                container = .object(object)
            case .array(var array):
                container = .null
                // One more place than there are elements: the one behind the last.
                let index = token == "-" ? array.count : try JSONPointer.index(token, count: array.count + 1)
                array.insert(value, at: index)
                container = .array(array)
            default: throw Failure()
            }
        }
    }

    private static func replace(_ value: JSON, _ token: String, in container: inout JSON) throws(Failure) {
        switch container {
        case .object(var object):
            container = .null
            object[token] = value
            container = .object(object)
        case .array(var array):
            container = .null
            array[try JSONPointer.index(token, count: array.count)] = value
            container = .array(array)
        default: throw Failure()
        }
    }

    private static func remove(at path: [String], in document: inout JSON) throws(Failure) -> JSON {
        guard !path.isEmpty else { throw Failure() }
        return try change(&document, path[...]) { container, token throws(Failure) -> JSON in
            switch container {
            case .object(var object):
                container = .null
                guard let removed = object.removeValue(token) else { throw Failure() }
                container = .object(object)
                return removed
            case .array(var array):
                container = .null
                let removed = array.remove(at: try JSONPointer.index(token, count: array.count))
                container = .array(array)
                return removed
            default: throw Failure()
            }
        }
    }

    /// Goes down to the container that the last token names a place in, and changes that in place. After a failure the
    /// document is no longer whole.
    private static func change<Result>(
        _ node: inout JSON, _ path: ArraySlice<String>,
        _ body: (inout JSON, String) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let token = path.first else { throw Failure() }
        if path.count == 1 { return try body(&node, token) }
        switch node {
        case .object(var object):
            guard let position = object.position(of: token) else { throw Failure() }
            node = .null
            defer { node = .object(object) }
            return try change(&object.members[position].value, path.dropFirst(), body)
        case .array(var array):
            let index = try JSONPointer.index(token, count: array.count)
            node = .null
            defer { node = .array(array) }
            return try change(&array[index], path.dropFirst(), body)
        default: throw Failure()
        }
    }

    /// JSON Pointer (RFC 6901).
    private enum JSONPointer {
        static func tokens(_ text: String) throws(Failure) -> [String] {
            guard !text.isEmpty else { return [] }
            guard text.utf8.first == UInt8(ascii: "/") else { throw Failure() }
            var tokens: [String] = []
            for part in text.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
                var token: [UInt8] = []
                var rest = part[...]
                while let byte = rest.popFirst() {
                    guard byte == UInt8(ascii: "~") else {
                        token.append(byte)
                        continue
                    }
                    switch rest.popFirst() {
                    case UInt8(ascii: "0"): token.append(UInt8(ascii: "~"))
                    case UInt8(ascii: "1"): token.append(UInt8(ascii: "/"))
                    default: throw Failure()
                    }
                }
                tokens.append(String(decoding: token, as: UTF8.self))
            }
            return tokens
        }

        /// A place among `count`; negative ones count from the end, as Kubernetes' library allows.
        static func index(_ token: String, count: Int) throws(Failure) -> Int {
            let digits = token.hasPrefix("-") ? token.dropFirst() : token[...]
            guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }), digits == "0" || digits.first != "0",
                let number = Int(token), number < count, number >= -count
            else { throw Failure() }
            return number < 0 ? number + count : number
        }
    }
}
