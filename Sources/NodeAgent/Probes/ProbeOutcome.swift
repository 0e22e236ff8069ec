/// What one probe found, with the words that an event has for it.
enum ProbeOutcome: Sendable, Equatable {
    case success
    /// Healthy, but not as it should be.
    case warning(String)
    /// `nobodyListens`: the kernel has refused the connection; the program was not asked.
    case failure(String, nobodyListens: Bool = false)
    /// The probe itself did not work: says nothing about the container. `state` is what it would have been.
    case error(state: String, message: String)

    /// Nil where nothing was found out.
    var isHealthy: Bool? {
        switch self {
        case .success, .warning: true
        case .failure: false
        case .error: nil
        }
    }

    /// The value of `result` in the metrics.
    var label: String {
        switch self {
        case .success, .warning: "successful"
        case .failure: "failed"
        case .error: "unknown"
        }
    }

    /// The event that Kubernetes makes of it; nil for none.
    func event(_ kind: ProbeKind) -> (reason: String, message: String)? {
        switch self {
        case .success: nil
        case .warning(let text): ("ProbeWarning", "\(kind.rawValue) probe warning: \(text)")
        case .failure(let text, _): ("Unhealthy", "\(kind.rawValue) probe failed: \(text)")
        case .error(let state, let text):
            ("Unhealthy", "\(kind.rawValue) probe errored and resulted in \(state) state: \(text)")
        }
    }
}
