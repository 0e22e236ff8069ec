import Synchronization

/// Connections that wait for their next request.
final class ConnectionPool: Sendable {
    struct Key: Hashable, Sendable {
        /// A socket's path where the port is 0.
        let host: String
        let port: Int
        let isTLS: Bool
    }

    private struct State {
        var idle: [Key: [ClientConnection]] = [:]
        var isClosed = false
    }
    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// The one that was used last: the others may then grow old and go.
    func take(_ key: Key) -> ClientConnection? {
        state.withLock { state in
            while let connection = state.idle[key]?.popLast() {
                if connection.isOpen { return connection }
            }
            return nil
        }
    }

    /// False: there are enough.
    func put(_ connection: ClientConnection, _ key: Key) -> Bool {
        state.withLock { state in
            guard !state.isClosed, connection.isOpen, state.idle[key, default: []].count < limit else { return false }
            state.idle[key, default: []].append(connection)
            return true
        }
    }

    func remove(_ connection: ClientConnection, _ key: Key) {
        state.withLock { state in
            state.idle[key]?.removeAll { $0 === connection }
            if state.idle[key]?.isEmpty == true { state.idle[key] = nil }
        }
    }

    /// Also refuses all that come later.
    func closeAll() {
        let all = state.withLock { state in
            state.isClosed = true
            defer { state.idle = [:] }
            return state.idle.values.flatMap { $0 }
        }
        for connection in all { connection.close() }
    }
}
