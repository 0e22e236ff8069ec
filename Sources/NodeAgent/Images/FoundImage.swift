/// An image that a container can be made of.
struct FoundImage: Sendable, Equatable {
    /// Its config's digest.
    let id: String
    /// What the status calls its id: as the registry knows it, or `id` where it came from none.
    let reference: String
    /// Its full name, as the status says it.
    let name: String
    let config: ImageConfig
    /// Folders of the unpacked layers, lowest first.
    let layers: [String]
    let accounts: ImageAccounts
    /// How it came; nil where it was here already.
    var pull: PullSummary?
}

/// What an event says of a pull.
struct PullSummary: Sendable, Equatable {
    /// Of the pull itself.
    var took: Duration
    /// With the waiting for others.
    var waited: Duration
    var sizeBytes: Int64

    /// `in 1.2s (1.2s including waiting). Image size: 1234 bytes.`
    var text: String {
        "in \(took.wholeMilliseconds.goDescription) (\(waited.wholeMilliseconds.goDescription) including waiting). "
            + "Image size: \(sizeBytes) bytes."
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: Duration { .milliseconds(nanoseconds / 1_000_000) }
}
