extension JSON {
    /// Parses a whole text as one value. Of members with the same name the last one wins, as in Go.
    public static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSON {
        let result: Result<JSON, JSONError> = bytes.withUnsafeBytes { buffer in
            do throws(JSONError) { return .success(try parse(buffer)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Parses a part of an array without copying it.
    public static func parse(_ bytes: ArraySlice<UInt8>) throws(JSONError) -> JSON {
        let result: Result<JSON, JSONError> = bytes.withUnsafeBytes { buffer in
            do throws(JSONError) { return .success(try parse(buffer)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    public static func parse(_ bytes: UnsafeRawBufferPointer) throws(JSONError) -> JSON {
        guard let base = bytes.baseAddress else { throw JSONError("unexpected end of JSON input", offset: 0) }
        var parser = JSONParser(
            base: base.assumingMemoryBound(to: UInt8.self), count: bytes.count, collectsDuplicates: false)
        return try parser.parseText()
    }

    /// Where the objects are in a text.
    public enum ObjectPlace: Int, Sendable {
        case whole = 1
        /// The object of a watch's event.
        case event = 2
        /// The items of a list.
        case list = 3
    }

    /// Parses without the objects' managed fields, for those that keep objects and never look at these: they are a third
    /// of an object. For texts of a server.
    public static func parse(_ bytes: [UInt8], leavingOutManagedFieldsIn place: ObjectPlace) throws(JSONError) -> JSON {
        let result: Result<JSON, JSONError> = bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else {
                return .failure(JSONError("unexpected end of JSON input", offset: 0))
            }
            var parser = JSONParser(
                base: base.assumingMemoryBound(to: UInt8.self), count: buffer.count, collectsDuplicates: false,
                leavingOutManagedFieldsAt: place.rawValue)
            do throws(JSONError) { return .success(try parser.parseText()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    public static func parse(_ text: String) throws(JSONError) -> JSON { try parse(Array(text.utf8)) }

    /// Parses like `parse`, and names the members that came more than once in one object, for field validation:
    /// `spec.containers[0].image`. At most 100 of them.
    public static func parse(_ bytes: [UInt8], duplicates: inout [String]) throws(JSONError) -> JSON {
        var found: [String] = []
        let result: Result<JSON, JSONError> = bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else {
                return .failure(JSONError("unexpected end of JSON input", offset: 0))
            }
            var parser = JSONParser(
                base: base.assumingMemoryBound(to: UInt8.self), count: buffer.count, collectsDuplicates: true)
            do throws(JSONError) {
                let value = try parser.parseText()
                found = parser.duplicates
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        duplicates = found
        return try result.get()
    }

    /// Where members come, by their paths: the first two places of each in a text that has been parsed.
    static func places(of paths: Set<String>, in bytes: [UInt8]) -> [String: [Int]] {
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return [:] }
            var parser = JSONParser(
                base: base.assumingMemoryBound(to: UInt8.self), count: buffer.count, collectsDuplicates: true,
                watched: paths)
            _ = try? parser.parseText()  // what came before an error counts
            return parser.places
        }
    }
}
