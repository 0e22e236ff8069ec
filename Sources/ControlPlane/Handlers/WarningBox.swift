import Synchronization

/// Carries warnings from the attempt that found them to the answer.
final class WarningBox: Sendable {
    private let state = Mutex<[(String, String)]>([])
    var headers: [(String, String)] { state.withLock { $0 } }
    func set(_ headers: [(String, String)]) { state.withLock { $0 = headers } }
}
