extension JSON {
    /// Compact JSON in UTF-8, members in their order.
    public func serialized() -> [UInt8] {
        var writer = JSONWriter()
        writer.write(self)
        return Array(writer.bytes)
    }

    /// Appends compact JSON.
    public func write(into bytes: inout [UInt8]) {
        var writer = JSONWriter()
        writer.write(self)
        bytes.append(contentsOf: writer.bytes)
    }

    /// JSON with two spaces per level and a newline at the end.
    public func prettyPrinted() -> [UInt8] {
        var writer = JSONWriter()
        writer.writePretty(self)
        var bytes = Array(writer.bytes)
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }
}

extension JSON: CustomStringConvertible {
    public var description: String { String(decoding: serialized(), as: UTF8.self) }
}
