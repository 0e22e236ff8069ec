import NIOCore

/// One call, from the moment at which somebody wants it to its end, over as many attempts as it takes. Belongs to the
/// channel's event loop from its first hand-over on.
final class GRPCCall: @unchecked Sendable {
    let path: String
    let headers: [(name: String, value: String)]
    /// Nil for a stream, which lasts as long as it likes.
    let deadline: NIODeadline?
    /// Whether it may be sent again when nobody knows what became of it.
    let isRepeatable: Bool
    let onMessage: ([UInt8]) -> Void
    /// Nil: the server has ended it well.
    let onEnd: (GRPCError?) -> Void

    /// Everything that was sent: a further attempt begins with it again.
    private(set) var outbound: [UInt8]
    /// How much of it has gone out.
    private(set) var sentCount = 0
    /// Nothing follows what is in `outbound`.
    let isHalfClosed: Bool
    /// An earlier attempt may have been acted on.
    var isRepeated = false
    private(set) var isOver = false

    // Of the present attempt.
    var stream: UInt32 = 0
    var sendWindow = 0
    /// Bytes that were received and not yet given back to the server's window.
    var unreturned = 0
    var startedAt = NIODeadline.uptimeNanoseconds(0)
    var status: Int?
    var contentType = ""
    var assembler: MessageAssembler
    private let messageLimit: Int

    init(
        path: String, headers: [(name: String, value: String)], deadline: NIODeadline?, isRepeatable: Bool,
        message: [UInt8], isHalfClosed: Bool, messageLimit: Int, onMessage: @escaping ([UInt8]) -> Void,
        onEnd: @escaping (GRPCError?) -> Void
    ) {
        self.path = path
        self.headers = headers
        self.deadline = deadline
        self.isRepeatable = isRepeatable
        outbound = MessageAssembler.framed(message)
        self.isHalfClosed = isHalfClosed
        self.messageLimit = messageLimit
        assembler = MessageAssembler(limit: messageLimit)
        self.onMessage = onMessage
        self.onEnd = onEnd
    }

    /// What is still to be sent.
    var pending: ArraySlice<UInt8> { outbound[sentCount...] }

    func sent(_ count: Int) { sentCount += count }

    /// One more message of a stream.
    func append(_ message: [UInt8]) {
        // A stream's first message is kept for a further attempt only while nothing has gone out.
        if sentCount == outbound.count {
            outbound = []
            sentCount = 0
        }
        outbound += MessageAssembler.framed(message)
    }

    /// Back to the beginning.
    func rewind() {
        stream = 0
        sentCount = 0
        unreturned = 0
        status = nil
        contentType = ""
        assembler = MessageAssembler(limit: messageLimit)
    }

    /// The first end counts.
    func end(_ error: GRPCError?) {
        if isOver { return }
        isOver = true
        onEnd(error)
    }
}
