import KubeAPI

/// What is asked for of a log: the parameters of `GET …/log` (core/v1 PodLogOptions).
struct LogOptions: Sendable, Equatable {
    var follow = false
    var previous = false
    var timestamps = false
    /// Nil for all.
    var tailLines: Int?
    var since: Timestamp?
    var limitBytes: Int?
    /// Nil for both.
    var stream: CRILine.Stream?

    init() {}

    /// Throws `StatusError` (400) with Kubernetes' words.
    init(query: [(name: String, value: String)], now: Timestamp = .now()) throws(StatusError) {
        func refuse(_ field: String, _ value: String, _ why: String) -> StatusError {
            .invalid(kind: "PodLogOptions", name: "", [.invalid(field, .string(value), why)])
        }
        for (name, value) in query where !value.isEmpty {
            switch name {
            case "follow": follow = Self.isTrue(value)
            case "previous": previous = Self.isTrue(value)
            case "timestamps": timestamps = Self.isTrue(value)
            case "tailLines":
                guard let number = Int(value), number >= 0 else {
                    throw refuse("tailLines", value, "must be greater than or equal to 0")
                }
                tailLines = number
            case "limitBytes":
                guard let number = Int(value), number >= 1 else {
                    throw refuse("limitBytes", value, "must be greater than 0")
                }
                limitBytes = number
            case "sinceSeconds":
                guard let number = Int(value), number >= 1 else {
                    throw refuse("sinceSeconds", value, "must be greater than 0")
                }
                since = now - .seconds(number)
            case "sinceTime":
                guard let time = Timestamp(rfc3339: value) else {
                    throw refuse("sinceTime", value, "must be a time in RFC 3339")
                }
                since = time
            case "stream":
                switch value {
                case "All": stream = nil
                case "Stdout": stream = .stdout
                case "Stderr": stream = .stderr
                default: throw refuse("stream", value, "must be All, Stdout or Stderr")
                }
            default: break
            }
        }
    }

    private static func isTrue(_ value: String) -> Bool { ["1", "t", "true"].contains(value.lowercased()) }
}
