import Synchronization

/// Messages from anywhere to one reader, in the order in which they were sent.
final class Mailbox<Message: Sendable>: Sendable {
    private struct State {
        var messages: [Message] = []
        var reader: CheckedContinuation<[Message], Never>?
    }
    private let state = Mutex(State())

    func send(_ message: Message) {
        let reader = state.withLock { state -> CheckedContinuation<[Message], Never>? in
            guard let reader = state.reader else {
                state.messages.append(message)
                return nil
            }
            state.reader = nil
            return reader
        }
        reader?.resume(returning: [message])
    }

    /// All that have come, at least one. One reader at a time.
    func next() async -> [Message] {
        await withCheckedContinuation { continuation in
            let messages = state.withLock { state in
                guard !state.messages.isEmpty else {
                    state.reader = continuation
                    return [Message]()
                }
                defer { state.messages = [] }
                return state.messages
            }
            if !messages.isEmpty { continuation.resume(returning: messages) }
        }
    }
}
