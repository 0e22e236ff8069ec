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

    init(_ exchange: Exchange) throws(StatusError) {
        let request = exchange.request
        var problems = Self.dryRunProblems(request.query.filter { $0.name == "dryRun" }.map(\.value))
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
        self.validation = validation ?? .warn
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
            result.unicodeScalars.append(character)
        }
        return result + "\""
    }
}
