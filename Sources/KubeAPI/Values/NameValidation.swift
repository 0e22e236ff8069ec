/// The rules for names, keys and values of the API, with the words in which Kubernetes refuses them
/// (`k8s.io/apimachinery/pkg/util/validation`). Each returns the reasons against the value, none where it is good.
public enum NameValidation {
    static let maxLabelLength = 63
    static let maxSubdomainLength = 253

    private static let labelPattern = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    private static let qualifiedPattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
    private static let alphanumericEnds = "must start and end with an alphanumeric character"

    private static func tooLong(_ limit: Int, _ unit: String = "characters") -> String {
        "must be no more than \(limit) \(unit)"
    }

    private static func patternError(_ message: String, _ pattern: String, _ examples: String...) -> String {
        let list = examples.map { "'\($0)', " }.joined(separator: " or ")
        return "\(message) (e.g. \(list)regex used for validation is '\(pattern)')"
    }

    // MARK: Characters

    private static func isLower(_ byte: UInt8) -> Bool { byte &- 0x61 < 26 }
    private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
    private static func isAlphanumeric(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 || isDigit(byte) }
    private static func isNameByte(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
    }

    private static func isLabel(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        guard let first = bytes.first, let last = bytes.last, isLower(first) || isDigit(first),
            isLower(last) || isDigit(last)
        else { return false }
        return bytes.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isSubdomain(_ value: String) -> Bool {
        value.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { isLabel($0) }
    }

    private static func isQualified(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        guard let first = bytes.first, let last = bytes.last, isAlphanumeric(first), isAlphanumeric(last) else {
            return false
        }
        return bytes.allSatisfy { isNameByte($0) }
    }

    // MARK: Names

    /// Names of namespaces, services' ports, containers, volumes: one label of a DNS name.
    public static func dns1123Label(_ value: String) -> [String] {
        var errors: [String] = []
        if value.utf8.count > maxLabelLength { errors.append(tooLong(maxLabelLength)) }
        if !isLabel(value.utf8) {
            errors.append(
                isSubdomain(value)
                    ? "must not contain dots"
                    : patternError(
                        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
                            + alphanumericEnds, labelPattern, "my-name", "123-abc"))
        }
        return errors
    }

    /// Names of most objects.
    public static func dns1123Subdomain(_ value: String) -> [String] {
        subdomain(value, unit: "characters")
    }

    private static func subdomain(_ value: String, unit: String) -> [String] {
        var errors: [String] = []
        if value.utf8.count > maxSubdomainLength { errors.append(tooLong(maxSubdomainLength, unit)) }
        if !isSubdomain(value) {
            errors.append(
                patternError(
                    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
                        + "and " + alphanumericEnds, "\(labelPattern)(\\.\(labelPattern))*", "example.com"))
        }
        return errors
    }

    /// Names of services.
    public static func dns1035Label(_ value: String) -> [String] {
        var errors: [String] = []
        if value.utf8.count > maxLabelLength { errors.append(tooLong(maxLabelLength)) }
        if !isLabel(value.utf8) || value.utf8.first.map(isLower) != true {
            errors.append(
                patternError(
                    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                        + "alphabetic character, and end with an alphanumeric character",
                    "[a-z]([-a-z0-9]*[a-z0-9])?", "my-name", "abc-123"))
        }
        return errors
    }

    /// Keys of labels and annotations, names of resources and taints: a name with an optional prefix.
    public static func qualifiedName(_ value: String) -> [String] {
        let message = "must consist of alphanumeric characters, '-', '_' or '.', and " + alphanumericEnds
        let parts = value.split(separator: "/", omittingEmptySubsequences: false)
        var errors: [String] = []
        guard let name = parts.last, parts.count <= 2 else {
            return [
                patternError("a valid label key \(message)", qualifiedPattern, "MyName", "my.name", "123-abc")
                    + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ]
        }
        if parts.count == 2 {
            if parts[0].isEmpty {
                errors.append("prefix part must be non-empty")
            } else {
                errors += subdomain(String(parts[0]), unit: "bytes").map { "prefix part \($0)" }
            }
        }
        if name.isEmpty {
            errors.append("name part must be non-empty")
        } else if name.utf8.count > maxLabelLength {
            errors.append("name part \(tooLong(maxLabelLength, "bytes"))")
        }
        if !isQualified(name.utf8) {
            errors.append("name part \(patternError(message, qualifiedPattern, "MyName", "my.name", "123-abc"))")
        }
        return errors
    }

    public static func labelValue(_ value: String) -> [String] {
        var errors: [String] = []
        if value.utf8.count > maxLabelLength { errors.append(tooLong(maxLabelLength, "bytes")) }
        if !value.isEmpty, !isQualified(value.utf8) {
            errors.append(
                patternError(
                    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
                        + "and " + alphanumericEnds, "(\(qualifiedPattern))?", "MyValue", "my_value", "12345"))
        }
        return errors
    }

    /// Names that stand in a path of the API.
    public static func pathSegment(_ value: String) -> [String] {
        if value == "." || value == ".." { return ["may not be '\(value)'"] }
        return ["/", "%"].filter { value.contains($0) }.map { "may not contain '\($0)'" }
    }

    // MARK: Other values

    /// Names of container ports (RFC 6335).
    public static func portName(_ value: String) -> [String] {
        var errors: [String] = []
        let bytes = Array(value.utf8)
        let hyphen = UInt8(ascii: "-")
        if bytes.count > 15 { errors.append(tooLong(15)) }
        if bytes.isEmpty || !bytes.allSatisfy({ isLower($0) || isDigit($0) || $0 == hyphen }) {
            errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
        }
        if !bytes.contains(where: isLower) { errors.append("must contain at least one letter (a-z)") }
        if value.contains("--") { errors.append("must not contain consecutive hyphens") }
        if bytes.first == hyphen || bytes.last == hyphen { errors.append("must not begin or end with a hyphen") }
        return errors
    }

    public static func portNumber(_ value: Int) -> [String] { range(value, 1, 65535) }

    public static func range(_ value: Int, _ low: Int, _ high: Int) -> [String] {
        (low...high).contains(value) ? [] : ["must be between \(low) and \(high), inclusive"]
    }

    /// Names of environment variables: any printable ASCII but `=`.
    public static func environmentName(_ value: String) -> [String] {
        if value.isEmpty { return ["environment variable name must be non-empty"] }
        let isGood = value.utf8.allSatisfy { (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: "=") }
        return isGood
            ? []
            : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    }

    /// Keys of ConfigMaps and Secrets.
    public static func configMapKey(_ value: String) -> [String] {
        var errors: [String] = []
        if value.utf8.count > maxSubdomainLength { errors.append(tooLong(maxSubdomainLength)) }
        if value.isEmpty || !value.utf8.allSatisfy(isNameByte) {
            errors.append(
                patternError(
                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'", "[-._a-zA-Z0-9]+",
                    "key.name", "KEY_NAME", "key-name"))
        }
        if value == "." || value == ".." {
            errors.append("must not be '\(value)'")
        } else if value.hasPrefix("..") {
            errors.append("must not start with '..'")
        }
        return errors
    }

    public static func ipAddress(_ value: String) -> [String] {
        IPAddress(value) == nil ? ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"] : []
    }

    public static func cidr(_ value: String) -> [String] {
        CIDR(value) == nil ? ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"] : []
    }
}
