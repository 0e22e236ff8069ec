/// A recursive-descent parser over raw bytes (RFC 8259), strict in everything: UTF-8, number grammar, no trailing
/// data. Lone surrogate escapes become U+FFFD, as in Go; a number beyond Int64 becomes a double.
///
/// This is the hottest code of the API server. Strings are scanned eight bytes at a time, members are collected on one
/// stack for the whole text and moved into arrays of exact size, and names known beforehand are not allocated.
struct JSONParser: ~Copyable {
    /// Nesting that no API object comes near; bounds our own recursion.
    static let maxDepth = 512

    private let base: UnsafePointer<UInt8>
    private let end: Int
    private var position = 0
    private var depth = 0
    private var members = MoveStack<JSONObject.Member>()
    private var elements = MoveStack<JSON>()
    /// One hash per entry of `members`, to find duplicates without comparing strings.
    private var hashes = MoveStack<UInt64>()
    private let interned = InternedNames.shared

    /// Where the parser is, kept only while duplicates are asked for.
    private enum Step {
        case member(String)
        case index(Int)
    }
    private let tracksPath: Bool
    private var path: [Step] = []
    /// Paths of members that came twice, `spec.containers[0].image`, at most `maxDuplicates`.
    private(set) var duplicates: [String] = []
    /// As many as Kubernetes' strict decoding reports.
    static let maxDuplicates = 100
    /// Paths whose places are asked for, and where they came: the first two places of each.
    private let watched: Set<String>
    private(set) var places: [String: [Int]] = [:]

    /// At which depth the objects' members are whose managed fields are left out; 0 for none.
    private let objectDepth: Int
    private var isInMetadata = false

    init(
        base: UnsafePointer<UInt8>, count: Int, collectsDuplicates: Bool, watched: Set<String> = [],
        leavingOutManagedFieldsAt objectDepth: Int = 0
    ) {
        self.base = base
        self.end = count
        self.tracksPath = collectsDuplicates
        self.watched = watched
        self.objectDepth = objectDepth
    }

    /// Parses the whole text as one value.
    mutating func parseText() throws(JSONError) -> JSON {
        let value = try parseValue()
        skipSpace()
        if position < end { throw unexpected("after top-level value") }
        return value
    }

    // MARK: Errors

    private func endOfInput() -> JSONError { JSONError("unexpected end of JSON input", offset: end) }

    /// The error for the byte at the current position, or for the end of the text.
    private func unexpected(_ context: String) -> JSONError {
        guard position < end else { return endOfInput() }
        return JSONError("invalid character \(Self.quoted(base[position])) \(context)", offset: position)
    }

    /// The same within a literal, number or escape: there Go takes the end of the text for a space.
    private func unexpectedInside(_ context: String) -> JSONError {
        guard position < end else { return JSONError("invalid character ' ' \(context)", offset: end) }
        return unexpected(context)
    }

    /// A byte as Go prints it: the character of that number, whatever text it was part of.
    private static func quoted(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "'"): #"'\''"#
        case UInt8(ascii: "\""): "'\"'"
        case UInt8(ascii: "\\"): #"'\\'"#
        case 0x07: #"'\a'"#
        case 0x08: #"'\b'"#
        case 0x0c: #"'\f'"#
        case 0x0a: #"'\n'"#
        case 0x0d: #"'\r'"#
        case 0x09: #"'\t'"#
        case 0x0b: #"'\v'"#
        case 0x20..<0x7f, 0xa1..<0xad, 0xae...0xff: "'\(Character(UnicodeScalar(byte)))'"
        case 0x80...0xff: "'\\u00\(String(byte, radix: 16))'"
        default: "'\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16) + "'"
        }
    }

    // MARK: Values

    @inline(__always)
    private mutating func skipSpace() {
        while position < end {
            let byte = base[position]
            guard byte <= 0x20, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return }
            position &+= 1
        }
    }

    private mutating func parseValue() throws(JSONError) -> JSON {
        skipSpace()
        guard position < end else { throw endOfInput() }
        switch base[position] {
        case UInt8(ascii: "\""):
            position &+= 1
            return .string(try parseString())
        case UInt8(ascii: "{"): return try parseObject()
        case UInt8(ascii: "["): return try parseArray()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        case UInt8(ascii: "t"):
            try expectLiteral("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expectLiteral("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try expectLiteral("null")
            return .null
        default: throw unexpected("looking for beginning of value")
        }
    }

    private mutating func expectLiteral(_ literal: StaticString) throws(JSONError) {
        let count = literal.utf8CodeUnitCount
        var matched = 0
        while matched < count {
            let expected = literal.utf8Start[matched]
            guard position < end, base[position] == expected else {
                throw unexpectedInside("in literal \(literal) (expecting '\(Character(UnicodeScalar(expected)))')")
            }
            position &+= 1
            matched &+= 1
        }
    }

    private mutating func enter() throws(JSONError) {
        depth &+= 1
        if depth > Self.maxDepth { throw JSONError("exceeded max depth", offset: position) }
        position &+= 1
    }

    private mutating func parseArray() throws(JSONError) -> JSON {
        try enter()
        defer { depth &-= 1 }
        skipSpace()
        if position < end, base[position] == UInt8(ascii: "]") {
            position &+= 1
            return .array([])
        }
        let start = elements.count
        while true {
            if tracksPath { path.append(.index(elements.count - start)) }
            elements.push(try parseValue())
            if tracksPath { path.removeLast() }
            skipSpace()
            guard position < end else { throw endOfInput() }
            if base[position] == UInt8(ascii: ",") {
                position &+= 1
            } else if base[position] == UInt8(ascii: "]") {
                position &+= 1
                return .array(elements.popAll(from: start))
            } else {
                throw unexpected("after array element")
            }
        }
    }

    private mutating func parseObject() throws(JSONError) -> JSON {
        try enter()
        defer { depth &-= 1 }
        skipSpace()
        if position < end, base[position] == UInt8(ascii: "}") {
            position &+= 1
            return .emptyObject
        }
        let start = members.count
        // Beyond the threshold the index finds duplicates, and becomes the object's own.
        var index: [String: Int]?
        var seen: UInt64 = 0
        while true {
            skipSpace()
            guard position < end else { throw endOfInput() }
            guard base[position] == UInt8(ascii: "\"") else {
                throw unexpected("looking for beginning of object key string")
            }
            position &+= 1
            let (key, hash) = try parseKey()
            skipSpace()
            guard position < end, base[position] == UInt8(ascii: ":") else { throw unexpected("after object key") }
            position &+= 1

            var earlier: Int?
            if index != nil {
                earlier = index?[key]
            } else {
                let bit = UInt64(1) << (hash >> 58)
                if seen & bit != 0 {
                    for candidate in start..<members.count
                    where hashes[candidate] == hash && members[candidate].key == key {
                        earlier = candidate &- start
                    }
                }
                seen |= bit
            }
            if tracksPath {
                path.append(.member(key))
                if earlier != nil, duplicates.count < Self.maxDuplicates { duplicates.append(pathText) }
                if !watched.isEmpty { watch() }
            }
            var isLeftOut = false
            if objectDepth != 0 { isLeftOut = isManagedFields(key) }
            let value: JSON
            if isLeftOut { value = try skipArray() } else { value = try parseValue() }
            if tracksPath { path.removeLast() }
            if isLeftOut {
                // Neither here nor in the index.
            } else if let earlier {
                members[start &+ earlier].value = value  // the last one wins, as in Go
            } else {
                members.push((key, value))
                hashes.push(hash)
                let count = members.count &- start
                if index != nil {
                    index?[key] = count &- 1
                } else if count > JSONObject.indexThreshold {
                    var fresh = [String: Int](minimumCapacity: 4 * count)
                    for offset in 0..<count { fresh[members[start &+ offset].key] = offset }
                    index = fresh
                }
            }
            skipSpace()
            guard position < end else { throw endOfInput() }
            if base[position] == UInt8(ascii: ",") {
                position &+= 1
            } else if base[position] == UInt8(ascii: "}") {
                position &+= 1
                hashes.removeAll(from: start)
                return .object(JSONObject(uniqueMembers: members.popAll(from: start), index: index))
            } else {
                throw unexpected("after object key:value pair")
            }
        }
    }

    /// Whether the member is `metadata.managedFields` of an object.
    private mutating func isManagedFields(_ key: String) -> Bool {
        if depth == objectDepth { isInMetadata = key == "metadata" }
        guard isInMetadata, depth == objectDepth &+ 1 else { return false }
        return key == "managedFields"
    }

    /// Passes over an array without making anything of it; anything else is parsed, and forgotten as well.
    private mutating func skipArray() throws(JSONError) -> JSON {
        skipSpace()
        guard position < end, base[position] == UInt8(ascii: "[") else { return try parseValue() }
        var level = 0
        repeat {
            guard position < end else { throw endOfInput() }
            switch base[position] {
            case UInt8(ascii: "["), UInt8(ascii: "{"): level &+= 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): level &-= 1
            case UInt8(ascii: "\""):
                position &+= 1
                skipPlain()
                while position < end, base[position] == UInt8(ascii: "\\") {
                    position = min(position &+ 2, end)
                    skipPlain()
                }
            default: break
            }
            position &+= 1
        } while level > 0
        return .null
    }

    private mutating func watch() {
        let path = pathText
        guard watched.contains(path), (places[path]?.count ?? 0) < 2 else { return }
        places[path, default: []].append(position)
    }

    private var pathText: String {
        var text = ""
        for step in path {
            switch step {
            case .member(let name): text += text.isEmpty ? name : ".\(name)"
            case .index(let index): text += "[\(index)]"
            }
        }
        return text
    }

    // MARK: Strings

    @inline(__always)
    private func load64(_ offset: Int) -> UInt64 {
        UnsafeRawPointer(base + offset).loadUnaligned(as: UInt64.self)
    }

    @inline(__always)
    private func load32(_ offset: Int) -> UInt64 {
        UInt64(UnsafeRawPointer(base + offset).loadUnaligned(as: UInt32.self))
    }

    /// Moves to the first quote, backslash, control character or the end.
    @inline(__always)
    private mutating func skipPlain() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        while position &+ 8 <= end {
            let word = load64(position)
            let quote = word ^ (ones &* 0x22)
            let slash = word ^ (ones &* 0x5c)
            // The classic test for a byte below n; a byte with its top bit set is never one of ours.
            let hits =
                ((quote &- ones) & ~quote | (slash &- ones) & ~slash | (word &- (ones &* 0x20)) & ~word) & tops
            if hits != 0 {
                // Borrows can only mark bytes above the first true hit.
                position &+= UInt64(littleEndian: hits).trailingZeroBitCount >> 3
                return
            }
            position &+= 8
        }
        while position < end {
            let byte = base[position]
            if byte == 0x22 || byte == 0x5c || byte < 0x20 { return }
            position &+= 1
        }
    }

    /// A member's name, with a hash that equal names share; the opening quote is behind us.
    @inline(__always)
    private mutating func parseKey() throws(JSONError) -> (String, UInt64) {
        let start = position
        skipPlain()
        if position < end, base[position] == 0x22 {
            let count = position &- start
            let hash = hash(start, count)
            position &+= 1
            if count > 15, let name = interned.find(base + start, count, hash) { return (name, hash) }
            return (try makeString(start, count), hash)
        }
        position = start
        let key = try parseString()
        // Rare: names with escapes. Their hash must be that of the plain spelling.
        var copy = key
        let hash = copy.withUTF8 { bytes in
            bytes.baseAddress.map { InternedNames.hash($0, bytes.count) } ?? InternedNames.hashOfEmpty
        }
        return (key, hash)
    }

    @inline(__always)
    private func hash(_ start: Int, _ count: Int) -> UInt64 { InternedNames.hash(base + start, count) }

    @inline(__always)
    private func isASCII(_ start: Int, _ count: Int) -> Bool {
        var tops: UInt64 = 0
        var offset = start
        let end = start &+ count
        while offset &+ 8 <= end {
            tops |= load64(offset)
            offset &+= 8
        }
        while offset < end {
            tops |= UInt64(base[offset])
            offset &+= 1
        }
        return tops & 0x8080_8080_8080_8080 == 0
    }

    @inline(__always)
    private func makeString(_ start: Int, _ count: Int) throws(JSONError) -> String {
        let bytes = UnsafeBufferPointer(start: base + start, count: count)
        // Most text is ASCII, which decoding can't change. The validating initializer is generic at run time and would
        // take half of all parsing.
        if isASCII(start, count) { return String(decoding: bytes, as: UTF8.self) }
        guard let string = String(validating: bytes, as: UTF8.self) else { throw invalidUTF8(start, count) }
        return string
    }

    private func invalidUTF8(_ start: Int, _ count: Int) -> JSONError {
        JSONError("invalid UTF-8 in string literal", offset: start)
    }

    /// The rest of a string; the opening quote is behind us.
    private mutating func parseString() throws(JSONError) -> String {
        let start = position
        skipPlain()
        guard position < end else { throw endOfInput() }
        if base[position] == 0x22 {
            position &+= 1
            return try makeString(start, position &- 1 &- start)
        }
        return try parseEscapedString(from: start)
    }

    /// A string with at least one escape: its parts are collected in a buffer.
    private mutating func parseEscapedString(from start: Int) throws(JSONError) -> String {
        var buffer: [UInt8] = []
        var runStart = start
        while true {
            skipPlain()
            guard position < end else { throw endOfInput() }
            buffer.append(contentsOf: UnsafeBufferPointer(start: base + runStart, count: position &- runStart))
            switch base[position] {
            case 0x22:
                position &+= 1
                guard let string = String(validating: buffer, as: UTF8.self) else {
                    throw invalidUTF8(start, buffer.count)
                }
                return string
            case 0x5c:
                position &+= 1
                try parseEscape(into: &buffer)
                runStart = position
            default: throw unexpected("in string literal")
            }
        }
    }

    private mutating func parseEscape(into buffer: inout [UInt8]) throws(JSONError) {
        guard position < end else { throw unexpectedInside("in string escape code") }
        let byte = base[position]
        switch byte {
        case 0x22, 0x5c, 0x2f: buffer.append(byte)
        case UInt8(ascii: "b"): buffer.append(0x08)
        case UInt8(ascii: "f"): buffer.append(0x0c)
        case UInt8(ascii: "n"): buffer.append(0x0a)
        case UInt8(ascii: "r"): buffer.append(0x0d)
        case UInt8(ascii: "t"): buffer.append(0x09)
        case UInt8(ascii: "u"):
            position &+= 1
            var scalar = try parseHex4()
            if 0xd800..<0xdc00 ~= scalar, position &+ 1 < end, base[position] == 0x5c,
                base[position &+ 1] == UInt8(ascii: "u")
            {
                let afterFirst = position
                position &+= 2
                let low = try parseHex4()
                if 0xdc00..<0xe000 ~= low {
                    scalar = 0x10000 &+ ((scalar &- 0xd800) << 10) &+ (low &- 0xdc00)
                } else {
                    position = afterFirst
                }
            }
            let valid = UnicodeScalar(scalar) ?? "\u{fffd}"
            buffer.append(contentsOf: UTF8.encode(valid).map { Array($0) } ?? [])
            return
        default: throw unexpected("in string escape code")
        }
        position &+= 1
    }

    private mutating func parseHex4() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard position < end else { throw unexpectedInside("in \\u hexadecimal character escape") }
            let digit: UInt8
            switch base[position] {
            case let byte where byte &- 0x30 < 10: digit = byte &- 0x30
            case let byte where (byte | 0x20) &- 0x61 < 6: digit = (byte | 0x20) &- 0x57
            default: throw unexpected("in \\u hexadecimal character escape")
            }
            value = value << 4 | UInt32(digit)
            position &+= 1
        }
        return value
    }

    // MARK: Numbers

    @inline(__always)
    private var isDigit: Bool { position < end && base[position] &- 0x30 < 10 }

    private mutating func parseNumber() throws(JSONError) -> JSON {
        let start = position
        let isNegative = base[position] == UInt8(ascii: "-")
        if isNegative { position &+= 1 }
        guard isDigit else { throw unexpectedInside("in numeric literal") }
        var magnitude: UInt64 = 0
        var isInteger = true
        if base[position] == UInt8(ascii: "0") {
            position &+= 1
        } else {
            let digits = position
            while isDigit {
                magnitude = magnitude &* 10 &+ UInt64(base[position] &- 0x30)
                position &+= 1
            }
            // 19 digits always fit UInt64; longer ones are doubles.
            if position &- digits > 19 { isInteger = false }
        }
        if position < end, base[position] == UInt8(ascii: ".") {
            isInteger = false
            position &+= 1
            guard isDigit else { throw unexpectedInside("after decimal point in numeric literal") }
            while isDigit { position &+= 1 }
        }
        if position < end, base[position] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            position &+= 1
            if position < end, base[position] == UInt8(ascii: "+") || base[position] == UInt8(ascii: "-") {
                position &+= 1
            }
            guard isDigit else { throw unexpectedInside("in exponent of numeric literal") }
            while isDigit { position &+= 1 }
        }
        if isInteger {
            if !isNegative, magnitude <= UInt64(Int64.max) { return .int(Int64(magnitude)) }
            if isNegative, magnitude <= UInt64(Int64.max) &+ 1 {
                return .int(Int64(truncatingIfNeeded: 0 &- magnitude))
            }
        }
        let text = String(decoding: UnsafeBufferPointer(start: base + start, count: position &- start), as: UTF8.self)
        guard let value = Double(text), value.isFinite else {
            throw JSONError("number \(text.prefix(64)) out of range", offset: start)
        }
        return .double(value)
    }
}

/// A stack in one allocation, from which the top can be moved into an array of exact size.
private struct MoveStack<Element>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>
    private var capacity: Int
    private(set) var count = 0

    init() {
        capacity = 16
        base = .allocate(capacity: capacity)
    }

    deinit {
        base.deinitialize(count: count)
        base.deallocate()
    }

    /// The caller stays below `count`.
    subscript(_ position: Int) -> Element {
        @inline(__always) _read { yield base[position] }
        @inline(__always) _modify { yield &base[position] }
    }

    @inline(__always)
    mutating func push(_ element: consuming Element) {
        if count == capacity { grow() }
        (base + count).initialize(to: element)
        count &+= 1
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 4)
        larger.moveInitialize(from: base, count: count)
        base.deallocate()
        base = larger
        capacity *= 4
    }

    @inline(__always)
    mutating func popAll(from start: Int) -> [Element] {
        let popped = count &- start
        let source = base + start
        count = start
        return Array(unsafeUninitializedCapacity: popped) { buffer, initialized in
            buffer.baseAddress?.moveInitialize(from: source, count: popped)
            initialized = popped
        }
    }

    @inline(__always)
    mutating func removeAll(from start: Int) {
        (base + start).deinitialize(count: count &- start)
        count = start
    }
}
