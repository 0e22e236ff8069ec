import KubeAPI

/// Addresses that are written into endpoints and services by hand.
enum AddressRules {
    /// Not unspecified, loopback or link-local: those mean something else on each node.
    static func nonSpecial(_ text: String, _ path: String) -> [FieldError] {
        guard let address = IPAddress(text) else {
            return NameValidation.ipAddress(text).map { .invalid(path, .string(text), $0) }
        }
        if address.isUnspecified { return [.invalid(path, .string(text), "may not be unspecified (\(text))")] }
        if address.isLoopback {
            return [
                .invalid(path, .string(text), "may not be in the loopback range (127.0.0.0/8, ::1/128)")
            ]
        }
        if address.isLinkLocal {
            return [
                .invalid(path, .string(text), "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
            ]
        }
        let isLocalMulticast = address.isIPv4 ? address.bits >> 8 == 0xe00000 : address.bits >> 112 == 0xff02
        if isLocalMulticast {
            return [
                .invalid(
                    path, .string(text), "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
            ]
        }
        return []
    }
}
