import CYAML

/// Builds JSON trees from libyaml's events.
struct YAMLReader: ~Copyable {
    /// What all aliases of a stream may add to it, in nodes and bytes: far more than any manifest, and far less than
    /// nested aliases could make of one kilobyte.
    static let maxAliasCost = 1 << 20

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let event: UnsafeMutablePointer<yaml_event_t>
    private var depth = 0
    /// Complete values by anchor, so that one which contains itself is unknown inside.
    private var anchors: [String: (value: JSON, cost: Int)] = [:]
    private var aliasCost = 0
    /// Names that came twice in one map are told instead of refused.
    private let takesDuplicates: Bool
    /// `line 3: key "a" already set in map`, at most as many as of JSON.
    private(set) var duplicates: [String] = []

    /// The bytes must stay in place as long as the reader lives.
    init(_ bytes: UnsafeBufferPointer<UInt8>, takesDuplicates: Bool = false) throws(YAMLError) {
        self.takesDuplicates = takesDuplicates
        parser = .allocate(capacity: 1)
        event = .allocate(capacity: 1)
        event.initialize(to: yaml_event_t())
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            event.deallocate()
            throw YAMLError("out of memory", line: 0)
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(
            parser, bytes.baseAddress ?? UnsafePointer(parser.pointee.buffer.start), bytes.count)
    }

    deinit {
        yaml_event_delete(event)
        event.deallocate()
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    // MARK: Events

    private var line: Int { Int(event.pointee.start_mark.line) + 1 }

    private mutating func next() throws(YAMLError) -> yaml_event_type_t {
        yaml_event_delete(event)
        guard yaml_parser_parse(parser, event) == 1 else {
            let problem = parser.pointee.problem.map { String(cString: $0) } ?? "cannot be read"
            // The reader knows an offset only.
            let mark = parser.pointee.error == YAML_READER_ERROR ? parser.pointee.mark : parser.pointee.problem_mark
            throw YAMLError(problem, line: Int(mark.line) + 1)
        }
        return event.pointee.type
    }

    private static func text(_ bytes: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        bytes.map { String(cString: $0) }
    }

    // MARK: Structure

    mutating func readStream() throws(YAMLError) -> [JSON] {
        var documents: [JSON] = []
        while true {
            switch try next() {
            case YAML_STREAM_END_EVENT, YAML_NO_EVENT: return documents
            case YAML_DOCUMENT_START_EVENT:
                anchors = [:]
                let value = try readValue(try next()).value
                if !value.isNull { documents.append(value) }
            default: break
            }
        }
    }

    /// The value that starts with the current event, and its cost for aliases.
    private mutating func readValue(_ type: yaml_event_type_t) throws(YAMLError) -> (value: JSON, cost: Int) {
        let anchor: String?
        let result: (value: JSON, cost: Int)
        switch type {
        case YAML_SCALAR_EVENT:
            anchor = Self.text(event.pointee.data.scalar.anchor)
            result = try readScalar()
        case YAML_SEQUENCE_START_EVENT:
            anchor = Self.text(event.pointee.data.sequence_start.anchor)
            result = try nested { reader throws(YAMLError) in try reader.readSequence() }
        case YAML_MAPPING_START_EVENT:
            anchor = Self.text(event.pointee.data.mapping_start.anchor)
            result = try nested { reader throws(YAMLError) in try reader.readMapping() }
        case YAML_ALIAS_EVENT: return try readAlias()
        default: throw YAMLError("did not find expected node content", line: line)
        }
        if let anchor { anchors[anchor] = result }
        return result
    }

    private mutating func nested(
        _ body: (inout YAMLReader) throws(YAMLError) -> (value: JSON, cost: Int)
    ) throws(YAMLError) -> (value: JSON, cost: Int) {
        depth += 1
        defer { depth -= 1 }
        guard depth <= JSONParser.maxDepth else { throw YAMLError("exceeded max depth", line: line) }
        return try body(&self)
    }

    private mutating func readAlias() throws(YAMLError) -> (value: JSON, cost: Int) {
        let name = Self.text(event.pointee.data.alias.anchor) ?? ""
        guard let (value, cost) = anchors[name] else {
            throw YAMLError("unknown anchor '\(name)' referenced", line: line)
        }
        aliasCost += cost
        guard aliasCost <= Self.maxAliasCost else {
            throw YAMLError("document contains excessive aliasing", line: line)
        }
        guard depth + value.depth <= JSONParser.maxDepth else { throw YAMLError("exceeded max depth", line: line) }
        return (value, cost)
    }

    private mutating func readSequence() throws(YAMLError) -> (value: JSON, cost: Int) {
        var elements: [JSON] = []
        var cost = 1
        while true {
            let type = try next()
            if type == YAML_SEQUENCE_END_EVENT { return (.array(elements), cost) }
            let element = try readValue(type)
            elements.append(element.value)
            cost += element.cost
        }
    }

    private mutating func readMapping() throws(YAMLError) -> (value: JSON, cost: Int) {
        var object = JSONObject()
        var merged: [JSONObject] = []
        var cost = 1
        while true {
            let type = try next()
            if type == YAML_MAPPING_END_EVENT { break }
            let keyLine = line
            let isMerge = type == YAML_SCALAR_EVENT && isMergeKey
            let key = try readValue(type)
            cost += key.cost
            let value = try readValue(try next())
            cost += value.cost
            if isMerge {
                try collectMerged(value.value, into: &merged, line: keyLine)
                continue
            }
            let name = try Self.name(key.value, line: keyLine)
            guard object.contains(name) else {
                object.append(name, value.value)
                continue
            }
            let problem = "key \(JSON.string(name).printed) already set in map"
            guard takesDuplicates else { throw YAMLError(problem, line: keyLine) }
            if duplicates.count < JSONParser.maxDuplicates { duplicates.append("line \(keyLine): \(problem)") }
            object[name] = value.value
        }
        // What is written wins over what is merged, and earlier merges over later ones.
        for source in merged {
            for (key, value) in source where !object.contains(key) { object.append(key, value) }
        }
        return (.object(object), cost)
    }

    private var isMergeKey: Bool {
        let scalar = event.pointee.data.scalar
        return scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.length == 2 && Self.text(scalar.value) == "<<"
    }

    private func collectMerged(_ value: JSON, into merged: inout [JSONObject], line: Int) throws(YAMLError) {
        switch value {
        case .object(let object): merged.append(object)
        case .array(let elements) where elements.allSatisfy(\.isObject): merged += elements.compactMap(\.object)
        default: throw YAMLError("map merge requires map or sequence of maps as the value", line: line)
        }
    }

    /// Names that are not strings are written as such.
    private static func name(_ key: JSON, line: Int) throws(YAMLError) -> String {
        switch key {
        case .string(let text): return text
        case .bool, .int, .double: return key.description
        case .null: throw YAMLError("unsupported map key of type: null", line: line)
        case .array: throw YAMLError("unsupported map key of type: sequence", line: line)
        case .object: throw YAMLError("unsupported map key of type: map", line: line)
        }
    }

    // MARK: Scalars

    private func readScalar() throws(YAMLError) -> (value: JSON, cost: Int) {
        let scalar = event.pointee.data.scalar
        let text = String(
            decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        let cost = 1 + scalar.length
        let tag = Self.text(scalar.tag)
        func fail(_ kind: String) -> YAMLError {
            YAMLError("cannot decode \(JSON.string(text).printed) as a \(kind)", line: line)
        }
        switch tag {
        case "tag:yaml.org,2002:str", "!": return (.string(text), cost)
        case "tag:yaml.org,2002:binary":
            guard let bytes = Base64.decode(text.filter { !$0.isWhitespace }),
                let decoded = String(validating: bytes, as: UTF8.self)
            else { throw YAMLError("!!binary value contains invalid base64 data", line: line) }
            return (.string(decoded), cost)
        case "tag:yaml.org,2002:null":
            guard case .null? = YAMLScalar.resolve(text) else { throw fail("!!null") }
            return (.null, cost)
        case "tag:yaml.org,2002:bool":
            guard case .bool(let value) = YAMLScalar.resolve(text) else { throw fail("!!bool") }
            return (.bool(value), cost)
        case "tag:yaml.org,2002:int":
            guard case .int(let value) = YAMLScalar.number(text) else { throw fail("!!int") }
            return (.int(value), cost)
        case "tag:yaml.org,2002:float":
            guard let value = YAMLScalar.number(text) else { throw fail("!!float") }
            return (value, cost)
        default:
            guard scalar.style == YAML_PLAIN_SCALAR_STYLE else { return (.string(text), cost) }
            guard let value = YAMLScalar.resolve(text) else {
                throw YAMLError("\(text) has no JSON form", line: line)
            }
            return (value, cost)
        }
    }
}
