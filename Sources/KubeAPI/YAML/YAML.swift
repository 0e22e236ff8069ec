/// YAML as `sigs.k8s.io/yaml` understands it: a notation for JSON trees, with the scalars of YAML 1.1's core.
public enum YAML {
    /// Reads all documents of a stream. Empty documents are left out.
    ///
    /// Bounded in depth (as `JSON.parse`) and in what aliases may expand to; the caller bounds the size of the text.
    public static func parse(_ bytes: [UInt8]) throws(YAMLError) -> [JSON] {
        let result: Result<[JSON], YAMLError> = bytes.withUnsafeBufferPointer { buffer in
            do throws(YAMLError) {
                var reader = try YAMLReader(buffer)
                return .success(try reader.readStream())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Reads like `parse`, but of members with the same name the last one counts, as for Kubernetes, and is told as Go's
    /// yaml tells it, for field validation: `line 3: key "a" already set in map`.
    public static func parse(_ bytes: [UInt8], duplicates: inout [String]) throws(YAMLError) -> [JSON] {
        let result: Result<([JSON], [String]), YAMLError> = bytes.withUnsafeBufferPointer { buffer in
            do throws(YAMLError) {
                var reader = try YAMLReader(buffer, takesDuplicates: true)
                let documents = try reader.readStream()
                return .success((documents, reader.duplicates))
            } catch {
                return .failure(error)
            }
        }
        let (documents, found) = try result.get()
        duplicates = found
        return documents
    }

    public static func parse(_ text: String) throws(YAMLError) -> [JSON] { try parse(Array(text.utf8)) }

    /// Writes a tree in block style, two spaces per level, members in their order, with a newline at the end.
    public static func serialize(_ value: JSON) -> String {
        var writer = YAMLWriter()
        writer.writeDocument(value)
        return writer.text
    }
}

/// Text that is not YAML, or has no JSON form.
public struct YAMLError: Error, Sendable, Equatable, CustomStringConvertible {
    /// `mapping values are not allowed in this context`
    public let message: String
    /// From 1.
    public let line: Int

    public init(_ message: String, line: Int) {
        self.message = message
        self.line = line
    }

    /// As Go's yaml prints it.
    public var description: String { "yaml: line \(line): \(message)" }
}
