import KubeAPI

/// What to do about fields that the schema does not know, and about those that come twice.
enum FieldValidation: String, Sendable {
    case ignore = "Ignore"
    case warn = "Warn"
    case strict = "Strict"
}

/// The options of a create, update or patch in the query.
struct WriteOptions: Sendable {
    let isDryRun: Bool
    let validation: FieldValidation
    /// Who is to own what is written; empty where the client does not say.
    let fieldManager: String
    /// Whether an apply takes what others own.
    let isForced: Bool

    static let maxManagerBytes = 128

    init(_ exchange: Exchange, isApply: Bool = false) throws(StatusError) {
        let request = exchange.request
        let manager = request.parameter("fieldManager") ?? ""
        var problems: [FieldError] = []
        if isApply {
            if manager.isEmpty { problems.append(.required("fieldManager", "is required for apply patch")) }
        } else if exchange.info.verb == "patch", request.query.contains(where: { $0.name == "force" }) {
            problems.append(.forbidden("force", "may not be specified for non-apply patch"))
        }
        problems += Self.managerProblems(manager)
        problems += Self.dryRunProblems(request.query.filter { $0.name == "dryRun" }.map(\.value))
        let text = request.parameter("fieldValidation")
        let validation = text.map { FieldValidation(rawValue: $0) } ?? .warn
        if validation == nil {
            problems.append(
                .notSupported("fieldValidation", JSON(text), ["", "Ignore", "Strict", "Warn"]))
        }
        if !problems.isEmpty {
            let verb = exchange.info.verb
            throw .invalid(
                kind: "\(verb.prefix(1).uppercased())\(verb.dropFirst())Options", group: "meta.k8s.io", name: "",
                problems)
        }
        isDryRun = request.parameter("dryRun") != nil
        fieldManager = manager
        isForced = isApply && request.flag("force")
        self.validation = validation ?? .warn
    }

    private static func managerProblems(_ manager: String) -> [FieldError] {
        if manager.isEmpty { return [] }
        var problems: [FieldError] = []
        if manager.utf8.count > maxManagerBytes {
            problems.append(.tooLong("fieldManager", limitBytes: maxManagerBytes))
        }
        for (position, scalar) in manager.unicodeScalars.enumerated() where !scalar.isPrintable {
            let digits = String(scalar.value, radix: 16, uppercase: true)
            let code = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            problems.append(
                .invalid("fieldManager", .string(manager), "invalid character U+\(code) (at position \(position))"))
        }
        return problems
    }

    /// Who owns what this request writes: whom it names, else the client by its User-Agent.
    func author(_ exchange: Exchange, _ resource: ServedResource, isApplier: Bool = false) -> ManagedFields.Author {
        ManagedFields.Author(
            manager: fieldManager.isEmpty ? Self.manager(userAgent: exchange.request.userAgent) : fieldManager,
            isApplier: isApplier, apiVersion: resource.type.path.apiVersion, subresource: exchange.info.subresource)
    }

    /// `kubectl`, of `kubectl/v1.33.0 (linux/amd64) kubernetes/…`
    static func manager(userAgent: String) -> String {
        var manager = ""
        for scalar in userAgent.unicodeScalars {
            if scalar == "/" || manager.utf8.count + UTF8.width(scalar) > maxManagerBytes { break }
            if scalar.isPrintable { manager.unicodeScalars.append(scalar) }
        }
        return manager
    }

    /// Only `All` is known; whoever asks for something else must not get a real write.
    static func dryRunProblems(_ values: [String]) -> [FieldError] {
        let unknown = values.filter { !$0.isEmpty && $0 != "All" }
        return unknown.isEmpty ? [] : [.notSupported("dryRun", JSON(values), ["All"])]
    }
}

/// Warnings as kube-apiserver sends them (RFC 9111, section 5.5, code 299); kubectl prints them.
enum WarningHeader {
    /// Of all warnings of an answer together, so that headers stay within what clients accept.
    private static let maxBytes = 4096
    /// Of one of them where there is not room for all.
    private static let truncatedBytes = 256

    static func headers(_ texts: [String]) -> [(String, String)] {
        guard !texts.isEmpty else { return [] }
        let isLong = texts.reduce(0) { $0 + $1.utf8.count } > maxBytes
        var headers: [(String, String)] = []
        var total = 0
        for text in texts {
            let text = isLong ? String(decoding: text.utf8.prefix(truncatedBytes), as: UTF8.self) : text
            total += text.utf8.count
            if total > maxBytes { break }
            headers.append(("Warning", "299 - \(quoted(text))"))
        }
        return headers
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for character in text.unicodeScalars {
            if character == "\"" || character == "\\" { result += "\\" }
            // A header is one line.
            result.unicodeScalars.append(character.value < 0x20 ? " " : character)
        }
        return result + "\""
    }
}

extension UTF8 {
    fileprivate static func width(_ scalar: UnicodeScalar) -> Int {
        scalar.value < 0x80 ? 1 : scalar.value < 0x800 ? 2 : scalar.value < 0x10000 ? 3 : 4
    }
}

extension UnicodeScalar {
    /// As Go's `unicode.IsPrint`: of the spaces only the plain one.
    fileprivate var isPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: self == " "
        default: true
        }
    }
}
