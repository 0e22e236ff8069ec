import KubeAPI

/// What the names of a kind must look like.
enum NameRule: Sendable {
    /// RFC 1123 subdomain: most kinds.
    case subdomain
    /// RFC 1123 label: namespaces.
    case label
    /// RFC 1035 label: services.
    case label1035
    /// Anything that can be a path segment: events.
    case pathSegment

    func failures(_ name: String) -> [String] {
        switch self {
        case .subdomain: NameValidation.dns1123Subdomain(name)
        case .label: NameValidation.dns1123Label(name)
        case .label1035: NameValidation.dns1035Label(name)
        case .pathSegment: NameValidation.pathSegment(name)
        }
    }

    /// What is wrong with the beginning of a name that is still to be completed: it may end in a hyphen.
    func prefixFailures(_ prefix: String) -> [String] {
        guard prefix.utf8.count > 1, prefix.hasSuffix("-") else { return failures(prefix) }
        return failures(prefix.dropLast(2) + "a")
    }
}
