/// An image that a container can be made of.
struct FoundImage: Sendable, Equatable {
    let id: String
    /// Its full name, as the status says it.
    let name: String
    let config: ImageConfig
    /// Folders of the unpacked layers, lowest first.
    let layers: [String]
    let accounts: ImageAccounts
}
