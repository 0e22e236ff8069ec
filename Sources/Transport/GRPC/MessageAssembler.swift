/// Puts messages of gRPC together from the pieces in which they arrive: a flag, a length of four bytes, the message.
struct MessageAssembler {
    /// Of one message, in bytes.
    let limit: Int
    private var head: [UInt8] = []
    private var body: [UInt8] = []
    private var expected = 0
    private static let headSize = 5

    init(limit: Int) { self.limit = limit }

    /// Whether a message is incomplete.
    var isWithinMessage: Bool { !head.isEmpty }

    /// Takes what has arrived and hands on every message that is complete with it.
    mutating func take(_ bytes: UnsafeRawBufferPointer, deliver: ([UInt8]) -> Void) throws(GRPCError) {
        var rest = bytes[...]
        while true {
            if head.count < Self.headSize {
                let piece = rest.prefix(Self.headSize - head.count)
                head += piece
                rest = rest.dropFirst(piece.count)
                guard head.count == Self.headSize else { return }
                guard head[0] == 0 else {
                    throw GRPCError(.internal, "a message is compressed, which was not asked for")
                }
                expected = head[1...].reduce(0) { $0 << 8 | Int($1) }
                guard expected <= limit else {
                    throw GRPCError(
                        .resourceExhausted, "received message larger than max (\(expected) vs. \(limit))")
                }
                body.reserveCapacity(expected)
            }
            let piece = rest.prefix(expected - body.count)
            body += piece
            rest = rest.dropFirst(piece.count)
            guard body.count == expected else { return }
            let message = body
            head.removeAll(keepingCapacity: true)
            body = []
            deliver(message)
        }
    }

    /// The message as it is sent.
    static func framed(_ message: [UInt8]) -> [UInt8] {
        let count = UInt32(message.count)
        var bytes: [UInt8] = [
            0, UInt8(count >> 24), UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff),
        ]
        bytes.reserveCapacity(message.count + headSize)
        bytes += message
        return bytes
    }
}
