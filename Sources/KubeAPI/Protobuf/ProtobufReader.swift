extension ProtobufDecoder {
    /// Reads one message of the protobuf wire format (https://protobuf.dev/programming-guides/encoding/), never beyond
    /// its end.
    package struct Reader {
        private let buffer: UnsafeRawBufferPointer.SubSequence
        private var position: Int

        package init(_ buffer: UnsafeRawBufferPointer.SubSequence) {
            self.buffer = buffer
            position = buffer.startIndex
        }

        package var isAtEnd: Bool { position >= buffer.endIndex }

        /// The next field's number and wire type; nil at the end.
        package mutating func nextTag() throws(Malformed) -> (number: Int, wire: Int)? {
            guard !isAtEnd else { return nil }
            let tag = try varint()
            guard tag >> 3 > 0, tag >> 3 < 1 << 29 else {
                throw Malformed("field number \(tag >> 3) at byte \(position)")
            }
            return (Int(tag >> 3), Int(tag & 7))
        }

        package mutating func varint() throws(Malformed) -> UInt64 {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while position < buffer.endIndex {
                let byte = buffer[position]
                position += 1
                if shift < 64 { value |= UInt64(byte & 0x7f) << shift }
                if byte & 0x80 == 0 { return value }
                shift += 7
                if shift >= 70 { throw Malformed("a varint is longer than 10 bytes at byte \(position)") }
            }
            throw Malformed("the message ends within a varint")
        }

        package mutating func fixed64() throws(Malformed) -> UInt64 {
            guard buffer.endIndex - position >= 8 else { throw Malformed("the message ends within a number") }
            var value: UInt64 = 0
            for index in 0..<8 { value |= UInt64(buffer[position + index]) << UInt64(8 * index) }
            position += 8
            return value
        }

        private mutating func slice() throws(Malformed) -> UnsafeRawBufferPointer.SubSequence {
            let length = try varint()
            guard length <= UInt64(buffer.endIndex - position) else {
                throw Malformed("a length of \(length) at byte \(position) goes beyond the message")
            }
            defer { position += Int(length) }
            return buffer[position..<position + Int(length)]
        }

        package mutating func message() throws(Malformed) -> Reader { Reader(try slice()) }
        package mutating func bytes() throws(Malformed) -> [UInt8] { Array(try slice()) }

        package mutating func string() throws(Malformed) -> String {
            guard let text = String(validating: try slice(), as: UTF8.self) else {
                throw Malformed("a string before byte \(position) is not UTF-8")
            }
            return text
        }

        package mutating func skip(_ wire: Int) throws(Malformed) {
            switch wire {
            case 0: _ = try varint()
            case 1: _ = try fixed64()
            case 2: _ = try slice()
            case 5:
                guard buffer.endIndex - position >= 4 else { throw Malformed("the message ends within a number") }
                position += 4
            default: throw Malformed("wire type \(wire) at byte \(position)")
            }
        }
    }
}
